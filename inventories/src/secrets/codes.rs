//! What the codes of [`SecretsError`](super::SecretsError) mean, for `jitctl explain`.

/// One code.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// Such as `S002`.
    pub code: &'static str,
    /// A few words.
    pub title: &'static str,
    /// Why it is refused and what to do.
    pub doc: &'static str,
}

const fn code(code: &'static str, title: &'static str, doc: &'static str) -> Code {
    Code { code, title, doc }
}

/// All codes, in their order. A code never changes its meaning.
pub const CODES: &[Code] = &[
    code(
        "S001",
        "no secrets file",
        "Nothing can be deployed without its passwords and keys. `jitctl secrets init` makes those that are missing, and changes none that is there.",
    ),
    code(
        "S002",
        "others could read the secrets",
        "The file or identity has permission bits for its group or for everybody. Take them away with `chmod 600`; if somebody may have read it, rotate what it holds.",
    ),
    code(
        "S003",
        "secrets of another user",
        "Whoever owns the file can change what hosts trust. Run `jitctl` as its owner, or `chown` it if you trust its content.",
    ),
    code(
        "S004",
        "not a regular file",
        "Links and devices are not followed, because the file is replaced as a whole when it changes. Put the file itself there.",
    ),
    code(
        "S005",
        "damaged secrets file",
        "The file is not what `jitctl` writes. Take it from a backup; the line is named, its text is never shown.",
    ),
    code(
        "S006",
        "plain and encrypted secrets",
        "Two files claim to be the secrets and may differ. Remove the outdated one.",
    ),
    code(
        "S007",
        "secrets are being changed",
        "Another `jitctl` holds the lock. It goes away with the program that holds it, also when that is killed.",
    ),
    code(
        "S008",
        "no identity for the encrypted file",
        "`secrets.yaml.age` opens with an age identity only. Name its file in the variable `JITCTL_AGE_IDENTITY`.",
    ),
    code(
        "S009",
        "age refused",
        "The identity belongs to none of the recipients, a recipient is misspelled, or the file is damaged.",
    ),
    code(
        "S010",
        "not a name of a secret",
        "Names have lower case letters, digits and `-`, and do not end in `-a` or `-b`: those are the two accounts of a pair.",
    ),
    code(
        "S011",
        "a secret exists already",
        "Nothing overwrites a secret; `jitctl secrets rotate NAME` rolls it over.",
    ),
    code(
        "S012",
        "no such secret",
        "`jitctl secrets show` lists the names, `jitctl secrets init` makes what is missing.",
    ),
    code(
        "S013",
        "a rotation is under way",
        "A rotation was cut off. `jitctl secrets rotate NAME` goes on where it stopped.",
    ),
    code(
        "S014",
        "nobody could open the encrypted file",
        "`secrets.recipients` lists no age recipient. Write your own public key into it first: `age-keygen -y KEYFILE`.",
    ),
    code(
        "S015",
        "the file system refused",
        "The message has the system's own words: look at permissions and free space of the inventory's folder.",
    ),
    code(
        "S016",
        "no random bytes",
        "The operating system gave none, so no secret was made. Nothing weaker is taken instead.",
    ),
    code(
        "S017",
        "an issued secret cannot be rotated",
        "Certificates and their keys are issued, not drawn. `jitctl secrets init` renews them before their end, and `jitctl apply` carries them.",
    ),
];

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn every_code_of_an_error_is_explained_once() {
        let mut used: Vec<&str> = include_str!("error.rs")
            .split("code(")
            .skip(1)
            .map(|rest| &rest[..4])
            .collect();
        used.sort_unstable();
        let explained: Vec<&str> = CODES.iter().map(|one| one.code).collect();
        assert_eq!(used, explained);
    }
}
