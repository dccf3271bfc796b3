//! The permission to send a statement, and the way that a hold becomes one.
//!
//! A [`Permit`] can be had from two places alone: a [`crate::Judgement`] that allows, and a [`Grant`], which a
//! reviewer's approval of a [`Pending`] hold makes. None of the three can be built or copied elsewhere, so a
//! sender that asks for a `Permit` by value cannot forget the judgement. Nothing here knows what a message is.

/// The permission to send one message that carries a statement (Query, Parse, Bind, Execute, FunctionCall).
///
/// It cannot be built outside this crate:
/// ```compile_fail
/// let permit = policy::Permit(());
/// ```
/// nor used twice:
/// ```compile_fail
/// fn twice(permit: policy::Permit) -> (policy::Permit, policy::Permit) {
///     (permit.clone(), permit)
/// }
/// ```
/// ```compile_fail
/// fn send(_: policy::Permit) {}
/// fn twice(permit: policy::Permit) {
///     send(permit);
///     send(permit);
/// }
/// ```
#[must_use = "a permit is there to send a statement with"]
#[derive(Debug, PartialEq, Eq)]
pub struct Permit(());

impl Permit {
    /// Only a judgement that allows and a grant call this.
    pub(crate) const fn mint() -> Self {
        Permit(())
    }
}

/// What a reviewer's verdict binds to: this text with these values, in this session, under this policy, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Binding {
    /// SHA-256 over the statement's text and its bound values, as the session defines it.
    pub statement: [u8; 32],
    /// The session.
    pub session: [u8; 16],
    /// The hold's number within the session, so that the same statement held twice needs two verdicts.
    pub hold: u64,
    /// [`crate::Policy::digest`] of the policy that held it.
    pub policy: [u8; 32],
}

/// A statement that waits for a reviewer. It can be resolved once.
///
/// ```compile_fail
/// fn twice(pending: policy::Pending) -> (policy::Pending, policy::Pending) {
///     (pending.clone(), pending)
/// }
/// ```
#[must_use = "a held statement waits until it is resolved or dropped"]
#[derive(Debug)]
pub struct Pending {
    binding: Binding,
}

impl Pending {
    /// Only a judgement that holds calls this.
    pub(crate) const fn new(binding: Binding) -> Self {
        Pending { binding }
    }

    /// What the verdict has to be about.
    pub const fn binding(&self) -> &Binding {
        &self.binding
    }

    /// Ends the hold. A verdict about anything else than this very hold is no approval, and ends it too: the
    /// caller refuses the statement then.
    ///
    /// # Errors
    /// [`VerdictError::Denied`] where the reviewer said no, [`VerdictError::Mismatch`] where the verdict is
    /// about something else.
    pub fn resolve(self, verdict: &Verdict) -> Result<Grant, VerdictError> {
        if verdict.binding != self.binding {
            return Err(VerdictError::Mismatch);
        }
        match verdict.answer {
            Answer::Approve => Ok(Grant { binding: self.binding }),
            Answer::Deny => Err(VerdictError::Denied {
                reviewer: verdict.reviewer.clone(),
                reason: verdict.reason.clone(),
            }),
        }
    }
}

/// A reviewer's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It may run, this once.
    Approve,
    /// It may not.
    Deny,
}

/// What a reviewer said about a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it is about.
    pub binding: Binding,
    /// Yes or no.
    pub answer: Answer,
    /// Who said it.
    pub reviewer: String,
    /// Why, in the reviewer's words.
    pub reason: String,
}

/// Why a verdict did not permit the statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerdictError {
    /// The reviewer said no.
    #[error("denied by {reviewer}: {reason}")]
    Denied {
        /// Who said it.
        reviewer: String,
        /// Why.
        reason: String,
    },
    /// The verdict is about another statement, session, hold or policy.
    #[error("the verdict is about another statement, session, hold or policy")]
    Mismatch,
}

/// An approved hold: permits for the messages of one execution (one portal, or one Query). The holder drops it
/// when that execution has ended.
///
/// It comes from [`Pending::resolve`] alone, and cannot be copied:
/// ```compile_fail
/// fn forge(binding: policy::Binding) -> policy::Grant {
///     policy::Grant { binding }
/// }
/// ```
/// ```compile_fail
/// fn twice(grant: policy::Grant) -> (policy::Grant, policy::Grant) {
///     (grant.clone(), grant)
/// }
/// ```
#[must_use = "a grant is there to take permits from"]
#[derive(Debug)]
pub struct Grant {
    binding: Binding,
}

impl Grant {
    /// A permit for one message of the approved execution.
    pub const fn permit(&self) -> Permit {
        Permit::mint()
    }

    /// What was approved. The holder sends nothing else under this grant.
    pub const fn binding(&self) -> &Binding {
        &self.binding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: Binding = Binding { statement: [1; 32], session: [2; 16], hold: 3, policy: [4; 32] };

    fn resolve(binding: Binding, answer: Answer) -> Result<Permit, VerdictError> {
        let verdict = Verdict { binding, answer, reviewer: "uid 0".into(), reason: "no".into() };
        Pending::new(HELD).resolve(&verdict).map(|grant| grant.permit())
    }

    #[test]
    fn a_verdict_permits_only_the_very_hold_that_it_is_about() {
        assert_eq!(resolve(HELD, Answer::Approve), Ok(Permit::mint()));
        for other in [
            Binding { statement: [9; 32], ..HELD },
            Binding { session: [9; 16], ..HELD },
            Binding { hold: 9, ..HELD },
            Binding { policy: [9; 32], ..HELD },
        ] {
            assert_eq!(resolve(other, Answer::Approve), Err(VerdictError::Mismatch));
        }
    }

    #[test]
    fn a_denied_hold_says_who_denied_it_and_why() {
        let error = resolve(HELD, Answer::Deny).unwrap_err();
        assert_eq!(error.to_string(), "denied by uid 0: no");
    }
}
