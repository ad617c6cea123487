//! Flags about the look-up of names in a container, spelled as Docker's.

use std::net::IpAddr;

use crate::network::Dns;

use super::error::{CliError, ErrorKind};

/// What takes the place of the machine's `/etc/resolv.conf`.
#[derive(Debug, clap::Args)]
pub(super) struct DnsArgs {
    /// Name server; may be repeated
    #[arg(long, value_name = "ADDRESS", help_heading = "Names")]
    dns: Vec<IpAddr>,
    /// Domain to look names up in, `.` for none; may be repeated
    #[arg(long, value_name = "DOMAIN", help_heading = "Names")]
    dns_search: Vec<String>,
    /// Option of resolv.conf(5); may be repeated
    #[arg(long, alias = "dns-opt", value_name = "OPTION", help_heading = "Names")]
    dns_option: Vec<String>,
}

impl DnsArgs {
    pub(super) fn dns(&self) -> Result<Dns, CliError> {
        for (flag, words) in [("--dns-search", &self.dns_search), ("--dns-option", &self.dns_option)] {
            // Each becomes a word of a line.
            if let Some(word) =
                words.iter().find(|word| word.is_empty() || word.contains(char::is_whitespace))
            {
                return Err(CliError::new(ErrorKind::Run, format!("`{flag} {word}` is not one word")));
            }
        }
        let (search, options) = (self.dns_search.clone(), self.dns_option.clone());
        Ok(Dns { servers: self.dns.clone(), search, options })
    }
}
