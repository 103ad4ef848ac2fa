//! ufw: opens what must be open; its default policy and our own table close the rest.
//!
//! Every rule of ours has a comment that starts with `jitctl`, so that the difference between what
//! is wanted and what `ufw show added` prints touches no rule of the operator's.

use std::collections::BTreeSet;

use super::{Command, command, port_range, protocol_name};
use crate::desired::{FirewallIntent, Source};

/// What marks a rule as ours.
const MARK: &str = "jitctl";

/// The commands that lead from `show_added`, the output of `ufw show added`, to `intent`:
/// additions first, so that nothing is closed in between that stays open.
pub fn changes(intent: &FirewallIntent, show_added: &str) -> Vec<Command> {
    let wanted = rules(intent);
    let present = rules_in(show_added);
    let additions = wanted
        .iter()
        .filter(|rule| !present.contains(*rule))
        .map(|rule| rule.command(&["ufw"]));
    let removals = present
        .iter()
        .filter(|rule| !wanted.contains(*rule))
        .map(|rule| rule.command(&["ufw", "--force", "delete"]));
    additions.chain(removals).collect()
}

/// A rule by the words between `ufw` and its comment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rule {
    words: Vec<String>,
    comment: String,
}

impl Rule {
    fn command(&self, prefix: &[&str]) -> Command {
        let mut words = command(prefix);
        words.extend(self.words.iter().cloned());
        if !prefix.contains(&"delete") {
            words.extend(["comment".to_owned(), self.comment.clone()]);
        }
        words
    }
}

fn rules(intent: &FirewallIntent) -> BTreeSet<Rule> {
    let mut rules = BTreeSet::new();
    for rule in &intent.rules {
        let protocol = protocol_name(rule.protocol);
        let ports = port_range(rule, ':');
        let comment = format!("{MARK}: {}", rule.why.replace(['\'', '"'], ""));
        match &rule.from {
            Source::Nobody => {}
            Source::World => {
                rules.insert(Rule {
                    words: command(&["allow", &format!("{ports}/{protocol}")]),
                    comment,
                });
            }
            Source::Only(addresses) => {
                rules.extend(addresses.iter().map(|address| Rule {
                    words: command(&[
                        "allow",
                        "from",
                        &address.to_string(),
                        "to",
                        "any",
                        "port",
                        &ports,
                        "proto",
                        protocol,
                    ]),
                    comment: comment.clone(),
                }));
            }
        }
    }
    rules
}

fn rules_in(show_added: &str) -> BTreeSet<Rule> {
    show_added
        .lines()
        .filter_map(|line| line.strip_prefix("ufw ")?.split_once(" comment "))
        .map(|(words, comment)| Rule {
            words: words.split_whitespace().map(str::to_owned).collect(),
            comment: comment.trim_matches('\'').to_owned(),
        })
        .filter(|rule| rule.comment.starts_with(MARK))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firewall::test_intent;

    fn text(commands: &[Command]) -> Vec<String> {
        commands.iter().map(|words| words.join(" ")).collect()
    }

    #[test]
    fn an_empty_firewall_gets_every_open_port_and_no_closed_one() {
        let commands = changes(&test_intent::main_host(), "(None)\n");
        assert_eq!(
            text(&commands),
            [
                "ufw allow 443/tcp comment jitctl: meeting page",
                "ufw allow 49152:50175/udp comment jitctl: TURN relays",
                "ufw allow from 10.0.0.12 to any port 5222 proto tcp comment jitctl: XMPP",
                "ufw allow from 2001:db8::12 to any port 5222 proto tcp comment jitctl: XMPP",
            ]
        );
    }

    #[test]
    fn what_is_there_stays_and_what_is_stale_goes() {
        // As ufw 0.36 prints it.
        let added = "Added user rules (see 'ufw status' for running firewall):\n\
            ufw allow 22/tcp\n\
            ufw allow 443/tcp comment 'jitctl: meeting page'\n\
            ufw allow 49152:50175/udp comment 'jitctl: TURN relays'\n\
            ufw allow from 10.0.0.12 to any port 5222 proto tcp comment 'jitctl: XMPP'\n\
            ufw allow from 10.0.0.99 to any port 5222 proto tcp comment 'jitctl: XMPP'\n\
            ufw allow 9999/tcp comment 'my own'\n";
        assert_eq!(
            text(&changes(&test_intent::main_host(), added)),
            [
                "ufw allow from 2001:db8::12 to any port 5222 proto tcp comment jitctl: XMPP",
                "ufw --force delete allow from 10.0.0.99 to any port 5222 proto tcp",
            ]
        );
    }

    #[test]
    fn no_change_needs_no_command() {
        let intent = test_intent::main_host();
        let added: Vec<String> = changes(&intent, "")
            .iter()
            .map(|words| {
                let (rule, comment) = words.split_at(words.len() - 1);
                format!("{} '{}'", rule.join(" "), comment[0])
            })
            .collect();
        let added = added.join("\n");
        assert_eq!(changes(&intent, &added), Vec::<Command>::new());
    }
}
