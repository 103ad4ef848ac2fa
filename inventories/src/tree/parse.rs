//! From the parser's events to the tree, with an explicit stack.

use std::collections::HashMap;
use std::ops::Range;

use serde_yaml::granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StructureStyle, Tag};

use super::mapping::Mapping;
use super::{Document, Fault, Node, Value};

/// More nodes than any inventory has; aliases count as what they stand for.
const NODE_BUDGET: usize = 1_000_000;

/// Parses the first document of `text`; faults that allow it leave the rest of the tree usable.
pub(crate) fn parse(text: &str) -> Document {
    let mut builder = Builder {
        text,
        ..Builder::default()
    };
    for next in Parser::new_from_str(text) {
        match next {
            Ok((event, span)) => {
                if !builder.event(event, span) {
                    break;
                }
            }
            Err(error) => {
                let at = builder.offset(*error.marker());
                builder.document.root = None;
                builder.document.faults = vec![Fault::Syntax {
                    at: at..at,
                    message: error.info(),
                }];
                return builder.document;
            }
        }
    }
    builder.document
}

#[derive(Default)]
struct Builder<'text> {
    text: &'text str,
    document: Document,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

/// A collection whose end is still to come.
struct Open {
    anchor: usize,
    start: usize,
    flow: bool,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map(Mapping),
}

impl Builder<'_> {
    /// Takes one event; false ends the parse.
    fn event(&mut self, event: Event<'_>, span: Span) -> bool {
        let range = self.range(span);
        let tag_range = span
            .tag_span()
            .map_or(range.clone(), |span| self.range(span));
        match event {
            Event::DocumentStart(..) if self.document.root.is_some() => {
                self.document
                    .faults
                    .push(Fault::SecondDocument { at: range });
                return false;
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.tag(tag.as_deref(), &tag_range);
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let value = Value::Scalar {
                    text: text.into_owned(),
                    plain,
                };
                return self.finish(
                    Node {
                        span: self.trimmed(range),
                        value,
                    },
                    anchor,
                );
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.tag(tag.as_deref(), &tag_range);
                self.start(style, anchor, range, Content::List(Vec::new()));
            }
            Event::MappingStart(style, anchor, tag) => {
                self.tag(tag.as_deref(), &tag_range);
                self.start(style, anchor, range, Content::Map(Mapping::default()));
            }
            Event::SequenceEnd | Event::MappingEnd => return self.end(&range),
            Event::Alias(id) => {
                let Some(mut node) = self.anchors.get(&id).cloned() else {
                    self.document
                        .faults
                        .push(Fault::BadAlias { at: range.clone() });
                    let value = Value::Scalar {
                        text: String::new(),
                        plain: true,
                    };
                    return self.finish(Node { span: range, value }, 0);
                };
                self.nodes += node.size();
                node.span = range;
                return self.finish(node, 0);
            }
            _ => {}
        }
        true
    }

    fn start(&mut self, style: StructureStyle, anchor: usize, at: Range<usize>, content: Content) {
        self.open.push(Open {
            anchor,
            start: at.start,
            flow: style == StructureStyle::Flow,
            content,
        });
    }

    fn end(&mut self, at: &Range<usize>) -> bool {
        let Some(open) = self.open.pop() else {
            return true;
        };
        let (value, last, first) = match open.content {
            Content::List(items) => {
                let last = items.last().map(|node| node.span.end);
                let first = items.first().map(|node| node.span.start);
                (Value::List { items }, last, first)
            }
            Content::Map(Mapping { entries, .. }) => {
                let last = entries
                    .last()
                    .map(|entry| entry.node.span.end.max(entry.key_span.end));
                let first = entries.first().map(|entry| entry.key_span.start);
                (
                    Value::Map {
                        entries,
                        flow: open.flow,
                    },
                    last,
                    first,
                )
            }
        };
        // A block collection's end event comes only with the next token: use its last child.
        let start = if open.flow {
            open.start
        } else {
            open.start.min(first.unwrap_or(open.start))
        };
        let end = if open.flow {
            at.end
        } else {
            last.unwrap_or(start)
        };
        let span = start..end.max(start);
        self.finish(Node { span, value }, open.anchor)
    }

    /// Hands a complete node to whatever is open.
    fn finish(&mut self, node: Node, anchor: usize) -> bool {
        self.nodes += 1;
        if self.nodes > NODE_BUDGET {
            self.document.root = None;
            self.document.faults.push(Fault::TooLarge { at: node.span });
            return false;
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.document.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map(mapping)) => mapping.push(node, &mut self.document.faults),
        }
        true
    }

    fn tag(&mut self, tag: Option<&Tag>, at: &Range<usize>) {
        if tag.is_some_and(|tag| !tag.is_yaml_core_schema()) {
            self.document
                .faults
                .push(Fault::UnknownTag { at: at.clone() });
        }
    }

    fn range(&self, span: Span) -> Range<usize> {
        let start = self.offset(span.start);
        start..self.offset(span.end).max(start)
    }

    /// A block scalar's span reaches into the line breaks after it.
    fn trimmed(&self, range: Range<usize>) -> Range<usize> {
        let length = self
            .text
            .get(range.clone())
            .map_or(0, |text| text.trim_end().len());
        range.start..range.start + length
    }

    fn offset(&self, marker: Marker) -> usize {
        marker.byte_offset().unwrap_or_else(|| {
            self.text
                .char_indices()
                .nth(marker.index())
                .map_or(self.text.len(), |(offset, _)| offset)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(text: &str) -> Node {
        let document = parse(text);
        assert!(document.faults.is_empty(), "{:?}", document.faults);
        document.root.unwrap()
    }

    #[test]
    fn every_value_knows_its_bytes() {
        let text = "a:\n  b: [x, 'yü']  # why\n  c: z\n\n# end\nd: 1\n";
        let root = root(text);
        let a = &root.get("a").unwrap().node;
        assert_eq!(&text[a.span.clone()], "b: [x, 'yü']  # why\n  c: z");
        assert_eq!(&text[a.get("b").unwrap().node.span.clone()], "[x, 'yü']");
        assert_eq!(&text[root.get("d").unwrap().key_span.clone()], "d");
    }

    #[test]
    fn an_alias_stands_for_its_anchor() {
        let root = root("a: &x {k: 1}\nb: *x\n");
        assert!(
            root.get("a")
                .unwrap()
                .node
                .same_as(&root.get("b").unwrap().node)
        );
    }

    #[test]
    fn duplicate_keys_are_all_found_and_the_first_stays() {
        let document = parse("a: 1\na: 2\nb: {c: 1, c: 2}\n");
        assert_eq!(document.faults.len(), 2);
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        use std::fmt::Write as _;
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let below = vec![format!("*a{}", level - 1); 10].join(",");
            writeln!(text, "a{level}: &a{level} [{below}]").unwrap();
        }
        let document = parse(&text);
        assert!(matches!(document.faults[..], [Fault::TooLarge { .. }]));
    }

    #[test]
    fn a_second_document_is_a_fault() {
        let document = parse("a: 1\n---\nb: 2\n");
        assert!(matches!(
            document.faults[..],
            [Fault::SecondDocument { .. }]
        ));
    }
}
