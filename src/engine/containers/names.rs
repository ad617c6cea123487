//! Names for containers that were given none: an adjective and somebody who worked on computers.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::super::error::EngineError;

const ADJECTIVES: [&str; 48] = [
    "able", "airy", "amber", "bold", "brisk", "calm", "candid", "civil", "clever", "cosy", "crisp", "daring",
    "deft", "eager", "early", "fair", "fluent", "frank", "gentle", "glad", "golden", "happy", "hardy",
    "humble", "keen", "kind", "lively", "lucid", "mellow", "merry", "mild", "modest", "neat", "noble",
    "patient", "plain", "polite", "prompt", "quiet", "rapid", "ready", "serene", "steady", "sunny", "tidy",
    "vivid", "warm", "witty",
];

const SURNAMES: [&str; 48] = [
    "allen",
    "antonelli",
    "babbage",
    "backus",
    "bartik",
    "boole",
    "church",
    "codd",
    "conway",
    "curry",
    "dahl",
    "dijkstra",
    "easley",
    "eckert",
    "engelbart",
    "ershov",
    "feinler",
    "floyd",
    "goldberg",
    "goldwasser",
    "hamilton",
    "hamming",
    "hoare",
    "holberton",
    "hopper",
    "huffman",
    "iverson",
    "johnson",
    "kay",
    "kernighan",
    "knuth",
    "lamport",
    "liskov",
    "lovelace",
    "mauchly",
    "mccarthy",
    "meltzer",
    "milner",
    "naur",
    "nygaard",
    "perlman",
    "ritchie",
    "shannon",
    "strachey",
    "thompson",
    "turing",
    "wilkes",
    "zuse",
];

/// A name; after the first attempts one with a number, which is hardly taken.
pub(super) fn random(attempt: usize) -> Result<String, EngineError> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0_u8; 4];
    File::open(path).and_then(|mut file| file.read_exact(&mut bytes)).map_err(|source| EngineError::Io {
        operation: "read",
        path: path.to_owned(),
        source,
    })?;
    let [adjective, surname, number @ ..] = bytes;
    let name = [ADJECTIVES[usize::from(adjective) % 48], SURNAMES[usize::from(surname) % 48]].join("_");
    Ok(if attempt < 3 { name } else { format!("{name}{}", u16::from_ne_bytes(number)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_names_are_names() {
        for attempt in 0..6 {
            super::super::check_name(&random(attempt).unwrap()).unwrap();
        }
    }
}
