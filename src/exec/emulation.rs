//! Which programs for other machines the kernel runs here, by way of an emulator (binfmt_misc).
//!
//! Only emulators count that the kernel holds open (flag `F`): others would have to be in every image.

use std::fs;
use std::path::Path;

/// Where the kernel tells of its handlers, a file for each.
const HANDLERS: &str = "/proc/sys/fs/binfmt_misc";

/// Go's names of architectures, with the bits and byte order of their programs and the number of linux/elf-em.h.
const MACHINES: [(&str, u8, Order, u16); 9] = [
    ("386", 1, Order::Little, 3),
    ("amd64", 2, Order::Little, 62),
    ("arm", 1, Order::Little, 40),
    ("arm64", 2, Order::Little, 183),
    ("loong64", 2, Order::Little, 258),
    ("mips64le", 2, Order::Little, 8),
    ("ppc64le", 2, Order::Little, 21),
    ("riscv64", 2, Order::Little, 243),
    ("s390x", 2, Order::Big, 22),
];

#[derive(Debug, Clone, Copy)]
enum Order {
    Little,
    Big,
}

/// Go's names of the architectures that are emulated.
pub fn emulated() -> Vec<String> {
    emulated_by(Path::new(HANDLERS))
}

fn emulated_by(handlers: &Path) -> Vec<String> {
    let files = fs::read_dir(handlers).into_iter().flatten().flatten();
    let handlers: Vec<Handler> =
        files.filter_map(|file| Handler::parse(&fs::read_to_string(file.path()).ok()?)).collect();
    let runs = |machine: &&(&str, u8, Order, u16)| {
        let start = start_of_program(machine);
        handlers.iter().any(|handler| handler.takes(&start))
    };
    MACHINES.iter().filter(runs).map(|(name, ..)| (*name).to_owned()).collect()
}

/// The first bytes of an ELF executable for a machine, see elf(5).
fn start_of_program(&(_, class, order, machine): &(&str, u8, Order, u16)) -> Vec<u8> {
    const EXECUTABLE: u16 = 2;
    let (data, bytes): (u8, fn(u16) -> [u8; 2]) = match order {
        Order::Little => (1, u16::to_le_bytes),
        Order::Big => (2, u16::to_be_bytes),
    };
    let mut start = b"\x7fELF".to_vec();
    start.extend([class, data, 1]);
    start.resize(16, 0);
    start.extend([EXECUTABLE, machine].map(bytes).concat());
    start
}

/// A handler that takes programs by their first bytes.
struct Handler {
    offset: usize,
    magic: Vec<u8>,
    mask: Option<Vec<u8>>,
}

impl Handler {
    /// Reads what the kernel tells of a handler; `None` if it is off, not held open, or goes by names.
    fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if text.lines().next() != Some("enabled") || !value("flags:")?.contains('F') {
            return None;
        }
        Some(Self {
            offset: value("offset ")?.parse().ok()?,
            magic: bytes(value("magic ")?)?,
            mask: value("mask ").map(bytes).map_or(Some(None), |mask| mask.map(Some))?,
        })
    }

    fn takes(&self, start: &[u8]) -> bool {
        let Some(start) = start.get(self.offset..) else { return false };
        let mask =
            |index: usize| self.mask.as_ref().and_then(|mask| mask.get(index)).copied().unwrap_or(0xff);
        start.len() >= self.magic.len()
            && self.magic.iter().enumerate().all(|(index, byte)| (start[index] ^ byte) & mask(index) == 0)
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel tells of the handler that Debian's qemu-user-static registers for arm64.
    const QEMU: &str = "enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: POCF\noffset 0\n\
                        magic 7f454c460201010000000000000000000200b700\n\
                        mask ffffffffffffff00fffffffffffffffffeffffff\n";

    fn found(handlers: &[&str]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("status"), "enabled\n").unwrap();
        for (number, text) in handlers.iter().enumerate() {
            fs::write(dir.path().join(number.to_string()), text).unwrap();
        }
        emulated_by(dir.path())
    }

    #[test]
    fn handlers_count_that_are_on_and_held_open() {
        let riscv = QEMU.replace("b700", "f300");
        assert_eq!(found(&[QEMU, &riscv]), ["arm64", "riscv64"]);
        let none: [&[&str]; 4] = [
            &[],
            &[&QEMU.replace("enabled", "disabled")],
            &[&QEMU.replace("POCF", "OC")],
            &["enabled\ninterpreter /usr/bin/x\nflags: F\nextension .x\n"],
        ];
        assert!(none.into_iter().all(|handlers| found(handlers).is_empty()));
    }
}
