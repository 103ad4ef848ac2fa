//! As much of HOCON as Jitsi's own files use, flattened: `videobridge.ice.udp.port` to `10000`.
//!
//! Tolerant: what is odd is skipped, nothing is an error. Substitutions stay as they are written.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// Deeper nesting than this is no configuration.
const DEPTH: usize = 32;

/// Every value under its dotted path; list elements under their number.
pub(super) fn flatten(text: &str) -> BTreeMap<String, String> {
    let mut reader = Reader {
        rest: text.chars().peekable(),
        values: BTreeMap::new(),
    };
    while reader.rest.peek().is_some() {
        reader.object("", 0);
        // A brace too many ends the text's outermost object early.
        reader.rest.next();
    }
    reader.values
}

struct Reader<'t> {
    rest: Peekable<Chars<'t>>,
    values: BTreeMap<String, String>,
}

impl Reader<'_> {
    fn object(&mut self, prefix: &str, depth: usize) {
        loop {
            self.skip(|c| c.is_whitespace() || c == ',');
            match self.rest.peek() {
                None | Some('}') => return,
                Some('#' | '/') => {
                    self.line();
                    continue;
                }
                _ => {}
            }
            let key = self.word("=:{}\n#");
            self.skip(|c| c == ' ' || c == '\t');
            let path = if prefix.is_empty() {
                key
            } else {
                format!("{prefix}.{key}")
            };
            match self.rest.peek() {
                Some('=' | ':') => {
                    self.rest.next();
                    self.skip(char::is_whitespace);
                    self.value(&path, depth);
                }
                Some('{') => self.value(&path, depth),
                // `include` and other lines without a value.
                _ => self.line(),
            }
        }
    }

    fn value(&mut self, path: &str, depth: usize) {
        match self.rest.peek() {
            Some('{') if depth < DEPTH => {
                self.rest.next();
                self.object(path, depth + 1);
                self.rest.next();
            }
            Some('[') if depth < DEPTH => {
                self.rest.next();
                self.list(path, depth + 1);
            }
            _ => {
                let value = self.word(",}]\n#");
                self.values.insert(path.to_owned(), value);
            }
        }
    }

    fn list(&mut self, path: &str, depth: usize) {
        for number in 0_usize.. {
            self.skip(|c| c.is_whitespace() || c == ',');
            match self.rest.peek() {
                None => return,
                Some(']') => {
                    self.rest.next();
                    return;
                }
                Some('#') => self.line(),
                Some('}') => {
                    self.rest.next();
                }
                _ => self.value(&format!("{path}.{number}"), depth),
            }
        }
    }

    /// A key or a value: quoted, or bare up to one of `ends`.
    fn word(&mut self, ends: &str) -> String {
        let mut word = String::new();
        if self.rest.peek() == Some(&'"') {
            while self.rest.next_if_eq(&'"').is_some() {}
            while let Some(c) = self.rest.next_if(|c| *c != '"' && *c != '\n') {
                word.push(c);
            }
            while self.rest.next_if_eq(&'"').is_some() {}
            return word;
        }
        while let Some(c) = self.rest.next_if(|c| !ends.contains(*c)) {
            word.push(c);
        }
        let bare = match word.find(" //") {
            Some(comment) => word.split_at(comment).0,
            None => &word,
        };
        bare.trim().to_owned()
    }

    fn skip(&mut self, unwanted: impl Fn(char) -> bool) {
        while self.rest.next_if(|c| unwanted(*c)).is_some() {}
    }

    fn line(&mut self) {
        while self.rest.next_if(|c| *c != '\n').is_some() {}
        self.rest.next();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::flatten;

    #[test]
    fn a_bridge_file_is_read() {
        let values = flatten(
            "# c\nvideobridge {\n  http-servers { public { port = 9090 } }\n\
             ice.udp.port = 10000 // media\n apis.xmpp-client.configs {\n  shard-1 {\n\
             hostname = \"localhost\", domain: \"auth.meet.test\"\n password=\"a=b{c\"\n }\n }\n}\n\
             ice4j { harvest { mapping { static-mappings = [\n { local-address = \"10.0.0.1\"\n\
             public-address = \"203.0.113.1\" }\n ] } } }\n include \"x\"\n",
        );
        let value = |path: &str| values.get(path).map(String::as_str);
        assert_eq!(value("videobridge.ice.udp.port"), Some("10000"));
        assert_eq!(value("videobridge.http-servers.public.port"), Some("9090"));
        let shard = "videobridge.apis.xmpp-client.configs.shard-1";
        assert_eq!(value(&format!("{shard}.domain")), Some("auth.meet.test"));
        assert_eq!(value(&format!("{shard}.password")), Some("a=b{c"));
        let mapping = "ice4j.harvest.mapping.static-mappings.0.public-address";
        assert_eq!(value(mapping), Some("203.0.113.1"));
    }

    proptest! {
        #[test]
        fn any_text_ends(text in "[a-z={}\\[\\]\":,#/\\n ]{0,200}") {
            let _ = flatten(&text);
        }
    }
}
