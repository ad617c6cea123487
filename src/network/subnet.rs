//! Which addresses a slot has.

use std::fs;
use std::net::Ipv4Addr;

/// The second numbers of the ranges 10.N.0.0/16 that subnets are taken from: little used ones.
const RANGES: [u8; 4] = [87, 86, 203, 151];

/// How many slots there are: one /24 each of one range.
pub(super) const SLOTS: u8 = 250;

/// What the bridges' names begin with.
pub(super) const BRIDGE: &str = "strata";

/// The addresses of a slot: 10.N.slot.0/24.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subnet {
    range: u8,
    slot: u8,
}

impl Subnet {
    /// The subnet of a slot, in the first range that no route of the machine's overlaps; `None` if all do.
    pub(super) fn choose(slot: u8) -> Option<Self> {
        // Where routes cannot be read there is no telling.
        let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
        Self::choose_beside(slot, &routes)
    }

    fn choose_beside(slot: u8, routes: &str) -> Option<Self> {
        let foreign: Vec<(u32, u32)> = routes.lines().skip(1).filter_map(foreign_route).collect();
        RANGES.into_iter().map(|range| Self { range, slot }).find(|subnet| {
            let network = u32::from(subnet.at(0));
            // The one of two overlapping networks that is smaller lies in the other.
            !foreign.iter().any(|&(destination, mask)| {
                let common = mask & 0xffff_ff00;
                network & common == destination & common
            })
        })
    }

    fn at(self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, self.range, self.slot, host)
    }

    /// The machine's address in it.
    pub(super) fn gateway(self) -> Ipv4Addr {
        self.at(1)
    }

    /// The sandbox's.
    pub(super) fn container(self) -> Ipv4Addr {
        self.at(2)
    }

    /// In CIDR notation.
    pub(super) fn cidr(self) -> String {
        format!("{}/24", self.at(0))
    }
}

/// Destination and mask of a line of `/proc/net/route`, unless it is the default route or one of a slot's bridge.
fn foreign_route(line: &str) -> Option<(u32, u32)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (interface, destination, mask) = (fields.first()?, fields.get(1)?, fields.get(7)?);
    // The numbers are the machine's image of four bytes in network order.
    let number = |hex: &str| u32::from_str_radix(hex, 16).ok().map(|n| u32::from_be_bytes(n.to_ne_bytes()));
    let (destination, mask) = (number(destination)?, number(mask)?);
    let own = interface.strip_prefix(BRIDGE).is_some_and(|slot| slot.parse::<u8>().is_ok());
    (!own && mask != 0).then_some((destination, mask))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_the_machine_uses_is_passed_over() {
        let head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n";
        let route = |interface: &str, a: [u8; 4], mask: [u8; 4]| {
            let hex = |bytes| format!("{:08X}", u32::from_ne_bytes(bytes));
            format!("{interface}\t{}\t00000000\t0001\t0\t0\t0\t{}\t0\t0\t0\n", hex(a), hex(mask))
        };
        let all = [0, 0, 0, 0];
        let cases = [
            (String::new(), Some(87)),
            (route("eth0", all, all), Some(87)),
            (route("strata3", [10, 87, 3, 0], [255, 255, 255, 0]), Some(87)),
            (route("eth0", [10, 87, 3, 0], [255, 255, 255, 0]), Some(86)),
            (route("eth0", [10, 87, 4, 0], [255, 255, 255, 0]), Some(87)),
            (route("eth0", [10, 86, 0, 0], [255, 254, 0, 0]), Some(203)),
            (route("eth0", [10, 0, 0, 0], [255, 0, 0, 0]), None),
            (route("strataX", [10, 87, 3, 128], [255, 255, 255, 128]), Some(86)),
        ];
        for (routes, expected) in cases {
            let chosen = Subnet::choose_beside(3, &format!("{head}{routes}")).map(|subnet| subnet.range);
            assert_eq!(chosen, expected, "{routes}");
        }
    }
}
