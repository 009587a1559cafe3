//! Passkeys: what their signature counters tell.

/// What the counter of an assertion says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// It grew, or this authenticator has none.
    Fine,
    /// It did not grow, on a passkey that may live on several devices, each with a counter of its own: accepted,
    /// noted, and shown to the owner.
    Suspect,
    /// It did not grow, on a passkey that cannot leave its device: somebody has a copy. Refused.
    Copied,
}

/// WebAuthn section 7.2 step 22: "If authData.signCount is nonzero or credentialRecord.signCount is nonzero", it
/// must be "greater than"; what follows where it is not is up to us.
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
    fn g14_a_counter_that_does_not_grow_is_a_copy_where_none_can_be() {
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
