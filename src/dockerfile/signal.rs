//! Signals, as STOPSIGNAL names them.

/// Linux's names and numbers, without `SIG`. Numbers of x86-64, which every architecture that we run on shares.
const SIGNALS: [(&str, u8); 36] = [
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("IOT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("POLL", 29),
    ("PWR", 30),
    ("SYS", 31),
    ("RTMIN", 34),
    ("RTMAX", 64),
];

/// Does the text name a signal?
pub fn is_valid(text: &str) -> bool {
    number(text).is_some()
}

/// The number of a signal, given by number or by name: `9`, `SIGKILL`, `kill`, `RTMIN+3`.
pub fn number(text: &str) -> Option<u8> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return text.parse().ok().filter(|number| (1..=64).contains(number));
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let offset = |text: &str| text.parse::<u8>().ok().filter(|offset| (1..=15).contains(offset));
    if let Some(above) = name.strip_prefix("RTMIN+") {
        return offset(above).map(|offset| 34 + offset);
    }
    if let Some(below) = name.strip_prefix("RTMAX-") {
        return offset(below).filter(|offset| *offset <= 14).map(|offset| 64 - offset);
    }
    SIGNALS.iter().find(|(known, _)| *known == name).map(|&(_, number)| number)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn knows_numbers_and_names() {
        let cases = [
            ("9", Some(9)),
            ("64", Some(64)),
            ("SIGTERM", Some(15)),
            ("term", Some(15)),
            ("sigUsr1", Some(10)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMAX-14", Some(50)),
            ("RTMAX-15", None),
            ("RTMIN+16", None),
            ("0", None),
            ("65", None),
            ("SIGFOO", None),
            ("SIG", None),
            ("", None),
            ("-9", None),
        ];
        for (text, expected) in cases {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
