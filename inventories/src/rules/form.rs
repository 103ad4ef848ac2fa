//! Rules that the reader applies itself; here they only have their documentation.

use super::Rule;

pub(super) const RULES: &[Rule] = &[
    Rule::error(
        "E000",
        "the file cannot be read",
        "The inventory does not exist, may not be read, or is not UTF-8 text. Name it with `--file FILE`.",
    ),
    Rule::error(
        "E001",
        "not YAML",
        "The text breaks the grammar of YAML 1.2, so nothing after the marked place can be understood. Usual reasons: tabs, a missing space after a colon, an open bracket or quote.",
    ),
    Rule::error(
        "E002",
        "unknown key",
        "A key that the model does not know is refused, because a misspelled key that does nothing is found hours later. Top-level keys that start with `x-` are yours (to hold anchors).",
    ),
    Rule::error(
        "E003",
        "duplicate key",
        "The same key stands twice in one mapping. Only one of the two values could count, and readers disagree about which.",
    ),
    Rule::error(
        "E004",
        "missing key",
        "A key without a sensible default is missing: `version`, `site.domain`, and for each host `roles` and `address`.",
    ),
    Rule::error(
        "E005",
        "wrong type",
        "A value has another type than its key asks for, such as a single value where a list is expected.",
    ),
    Rule::error(
        "E006",
        "not a choice",
        "The key allows a few words only and this is none of them.",
    ),
    Rule::error(
        "E007",
        "number out of range",
        "The number is smaller or larger than its key allows; ports go up to 65535.",
    ),
    Rule::error(
        "E008",
        "not an IP address",
        "Addresses are written without brackets, port or prefix length, IPv4 or IPv6. Names are not accepted here, because firewall sets and media candidates need addresses that do not change.",
    ),
    Rule::error(
        "E009",
        "unknown inventory version",
        "The file was written for another release of the format. Nothing else is checked, because everything may have another meaning.",
    ),
    Rule::error(
        "E010",
        "not one document",
        "An inventory is exactly one YAML document of a sensible size: not empty, no second document after `---`.",
    ),
    Rule::error(
        "E011",
        "unsupported YAML",
        "Mappings or lists as keys, tags of one's own and aliases to what surrounds them are not supported.",
    ),
    Rule::error(
        "E031",
        "role named twice",
        "A set such as `roles` names the same member twice. It does no harm, but one of the two was probably meant to be another.",
    ),
];
