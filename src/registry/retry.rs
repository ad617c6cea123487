//! How often something is tried again, and how long it waits before that.

use std::time::Duration;

use super::Watch;
use super::error::RegistryError;

/// The longest time that a registry may ask for; beyond it the user had better know.
const MOST_PATIENCE: Duration = Duration::from_secs(120);

/// How often a host is called that does not answer at all: mostly it is a wrong name, or this machine has no network.
const UNREACHABLE_ATTEMPTS: u32 = 3;

/// How stubborn a client is.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// How often something is tried, the first time counted.
    pub attempts: u32,
    /// How long it waits before the second time; each further wait is twice as long.
    pub first: Duration,
    /// The longest wait that it chooses by itself.
    pub longest: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 5, first: Duration::from_millis(200), longest: Duration::from_secs(10) }
    }
}

/// What is left of the attempts at one thing.
#[derive(Debug)]
pub(super) struct Attempts {
    retry: Retry,
    made: u32,
}

impl Attempts {
    pub(super) fn new(retry: Retry) -> Self {
        Self { retry, made: 0 }
    }

    /// After a failure: how long to wait before the next attempt, or the failure if there is none.
    pub(super) fn after(&mut self, error: RegistryError) -> Result<Duration, RegistryError> {
        self.made += 1;
        let own = self.retry.first.saturating_mul(1 << (self.made - 1).min(16)).min(self.retry.longest);
        let wait = error.wait().unwrap_or(own);
        let unreachable = matches!(error, RegistryError::HostNotFound { .. } | RegistryError::Connect { .. });
        let most = if unreachable { UNREACHABLE_ATTEMPTS } else { self.retry.attempts };
        if self.made >= most.min(self.retry.attempts) || !error.is_passing() || wait > MOST_PATIENCE {
            return Err(error);
        }
        Ok(wait)
    }

    /// There was progress: the next failure is the first one again.
    pub(super) fn renew(&mut self) {
        self.made = 0;
    }
}

/// Does something until it goes well or there is no hope.
pub(super) async fn persist<T>(
    retry: Retry,
    watch: &Watch<'_>,
    mut act: impl AsyncFnMut() -> Result<T, RegistryError>,
) -> Result<T, RegistryError> {
    let mut attempts = Attempts::new(retry);
    loop {
        match act().await {
            Ok(done) => return Ok(done),
            Err(error) => pause(&mut attempts, error, watch).await?,
        }
    }
}

/// Waits before the next attempt, and says so if it is long.
pub(super) async fn pause(
    attempts: &mut Attempts,
    error: RegistryError,
    watch: &Watch<'_>,
) -> Result<(), RegistryError> {
    let message = error.to_string();
    let wait = attempts.after(error)?;
    if wait >= Duration::from_secs(1) {
        (watch.note)(format!("{message}; trying again in {} s", wait.as_secs()));
    }
    tokio::time::sleep(wait).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(status: u16, wait: Option<u64>) -> RegistryError {
        let (url, reason) = (String::new(), String::new());
        RegistryError::Status { method: "GET", url, status, reason, wait: wait.map(Duration::from_secs) }
    }

    #[test]
    fn waits_grow_and_come_to_an_end() {
        let retry = Retry { attempts: 5, longest: Duration::from_millis(500), ..Retry::default() };
        let mut attempts = Attempts::new(retry);
        let waits: Vec<_> = std::iter::from_fn(|| attempts.after(status(503, None)).ok())
            .map(|wait| wait.as_millis())
            .collect();
        assert_eq!(waits, [200, 400, 500, 500]);
    }

    #[test]
    fn the_registry_says_how_long_within_reason() {
        let mut attempts = Attempts::new(Retry::default());
        assert_eq!(attempts.after(status(429, Some(7))).unwrap(), Duration::from_secs(7));
        assert!(attempts.after(status(429, Some(3600))).is_err());
    }

    #[test]
    fn what_will_not_change_is_not_tried_again() {
        for error in [status(404, None), status(400, Some(1)), RegistryError::Canceled] {
            assert!(Attempts::new(Retry::default()).after(error).is_err());
        }
    }

    #[test]
    fn progress_gives_new_attempts() {
        let mut attempts = Attempts::new(Retry { attempts: 2, ..Retry::default() });
        for _ in 0..5 {
            let _: Duration = attempts.after(status(500, None)).unwrap();
            attempts.renew();
        }
    }
}
