//! Signature counters of passkeys.

/// Result of comparing the signature counter of an assertion with the stored one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// The counter increased, or the authenticator has no counter. Accept.
    Fine,
    /// The counter did not increase, but the passkey may exist on several devices with a counter
    /// each. Accept, audit, and tell the owner.
    Suspect,
    /// The counter did not increase, and the passkey cannot leave its device: it was cloned.
    /// Refuse.
    Copied,
}

/// Compares the counter of an assertion with the stored one, as WebAuthn Level 3 section 7.2
/// requires if either "is nonzero". The presented counter must be "greater than" the stored one;
/// the standard leaves the consequence to the Relying Party.
pub fn judge_counter(stored: u32, presented: u32, backup_eligible: bool) -> Counter {
    if presented > stored || (presented == 0 && stored == 0) {
        Counter::Fine
    } else if backup_eligible {
        Counter::Suspect
    } else {
        Counter::Copied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g14_a_stale_counter_is_refused_unless_the_passkey_is_synced() {
        for (stored, presented, device_bound, synced) in [
            (0, 0, Counter::Fine, Counter::Fine),
            (0, 1, Counter::Fine, Counter::Fine),
            (5, 6, Counter::Fine, Counter::Fine),
            (5, 5, Counter::Copied, Counter::Suspect),
            (5, 4, Counter::Copied, Counter::Suspect),
            (5, 0, Counter::Copied, Counter::Suspect),
            (u32::MAX, 0, Counter::Copied, Counter::Suspect),
        ] {
            assert_eq!(judge_counter(stored, presented, false), device_bound);
            assert_eq!(judge_counter(stored, presented, true), synced);
        }
    }
}
