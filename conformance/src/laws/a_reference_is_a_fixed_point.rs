//! The canonical text of a reference parses to the same reference, and what is refused says why in one line.

use crate::broken::hold;
use crate::lab::Lab;
use crate::runner::Kit;
use crate::strategies::locators;
use crate::{Held, Law};

pub(crate) const LAW: Law = Law {
    name: "a_reference_is_a_fixed_point",
    sentence: "The canonical text of a reference parses to the same reference, and what is refused says why in one line.",
    promises: &[
        "It does no I/O and never panics.",
        "For every `r` that it returns, `parse(r.locator())` equals `r`.",
        "What cannot be expressed is refused with `InvalidInput`",
    ],
    needs: &[],
    cost: 1,
    check,
};

fn check(kit: &Kit) -> Held {
    let (scheme, syntax) = (kit.transport().scheme(), kit.transport().syntax());
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    hold!(!scheme.is_empty() && scheme.chars().all(plain), "{scheme:?} is no scheme");
    let line = !syntax.trim().is_empty() && !syntax.contains(char::is_control);
    hold!(line, "the grammar for help is not on one line: {syntax:?}");
    // Texts are cheap: many to a case.
    let many = proptest::collection::vec(locators("/nowhere/place"), 40);
    kit.each(many, |lab, texts| texts.iter().try_for_each(|text| one(lab, text)))
}

fn one(lab: &Lab, text: &str) -> Held {
    let transport = lab.transport();
    let reference = match transport.parse(text) {
        Ok(reference) => reference,
        Err(e) => {
            let kind = e.kind();
            hold!(
                kind == transship_core::ErrorKind::InvalidInput,
                "{text:?} is refused as {kind} and not as invalid input: {e}"
            );
            return super::one_line(&e);
        }
    };
    hold!(reference.scheme() == transport.scheme(), "{text:?} has the scheme of another transport");
    match transport.parse(reference.locator()) {
        Ok(again) if again == reference => Ok(()),
        Ok(again) => Err(crate::Broken::new(format!(
            "{text:?} is {:?}, and that parses as {:?}",
            reference.locator(),
            again.locator()
        ))),
        Err(e) => Err(crate::Broken::new(format!(
            "{text:?} is {:?}, and that is refused: {e}",
            reference.locator()
        ))),
    }
}
