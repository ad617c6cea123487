//! Lists of processors or memory nodes, as the kernel writes them: `0-3,5`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A list of numbers; not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberList(Vec<RangeInclusive<u32>>);

/// A text is no list of numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no list of numbers, as in `0-3` or `0,2`")]
pub struct ListError(pub String);

/// Numbers beyond this are a mistake: no kernel can have so many processors.
const MAX: u32 = 1 << 13;

impl NumberList {
    /// The numbers of this list that the other one has not.
    pub fn missing_from(&self, other: &Self) -> Vec<u32> {
        self.numbers().filter(|number| !other.contains(*number)).collect()
    }

    fn numbers(&self) -> impl Iterator<Item = u32> {
        self.0.iter().cloned().flatten()
    }

    fn contains(&self, number: u32) -> bool {
        self.0.iter().any(|range| range.contains(&number))
    }
}

impl FromStr for NumberList {
    type Err = ListError;

    fn from_str(text: &str) -> Result<Self, ListError> {
        let wrong = || ListError(text.to_owned());
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number < MAX).ok_or_else(wrong);
        let ranges = text.trim().split(',').map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if first <= last { Ok(first..=last) } else { Err(wrong()) }
        });
        ranges.collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for NumberList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(f, "{comma}{first}")?,
                (first, last) => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_the_kernel_writes_them() {
        for text in ["0", "0-3", "0-3,5", "7,1"] {
            assert_eq!(text.parse::<NumberList>().unwrap().to_string(), text);
        }
        assert_eq!("0-1\n".parse::<NumberList>().unwrap().to_string(), "0-1");
        for text in ["", "a", "1-", "3-1", "0,", "-1", "0-99999999999", "0-4000000000", "0 1"] {
            assert_eq!(text.parse::<NumberList>(), Err(ListError(text.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn what_a_list_asks_for_too_much_is_found() {
        let list = |text: &str| text.parse::<NumberList>().unwrap();
        assert_eq!(list("0-3,5").missing_from(&list("0-1,5")), [2, 3]);
        assert_eq!(list("1").missing_from(&list("0-1")), [0_u32; 0]);
    }
}
