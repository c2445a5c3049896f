//! The next call may come from another runtime, when the first has ended.

use proptest::strategy::Just;
use transship_core::{Reference, WriteMode};

use crate::broken::While;
use crate::lab::Lab;
use crate::model::Image;
use crate::runner::Kit;
use crate::seen::Seen;
use crate::{Broken, Held, Law};

pub(crate) const LAW: Law = Law {
    name: "the_next_call_may_come_from_another_runtime",
    sentence: "The next call may come from another runtime, when the first has ended.",
    promises: &[
        "They need no particular runtime: the next call may come from another one, when the first has ended.",
    ],
    needs: &[],
    cost: u32::MAX,
    check,
};

fn check(kit: &Kit) -> Held {
    kit.each(Just(()), |lab, ()| {
        let Err(broken) = in_two(lab) else { return Ok(()) };
        let other = lab.another()?;
        let in_one = other.step(async {
            let reference = write(&other).await?;
            read(&other, &reference).await
        });
        // What fails in a single runtime, too, is not about runtimes.
        in_one.during(|| "writing an image and reading it in one runtime")?;
        let why = "what succeeds in one runtime fails in the next: a task, a timer or a connection of a runtime that has ended is used";
        Err(broken.while_doing(why))
    })
}

fn in_two(lab: &Lab) -> Held {
    let reference = lab.step(write(lab))?;
    lab.step(read(lab, &reference))
}

async fn write(lab: &Lab) -> Held<Reference> {
    let built = Image::simple(7).build()?;
    let written = lab.write(&built, WriteMode::Create, &lab.facts().some_name()).await?;
    let reference = written.references.into_iter().next();
    reference.ok_or_else(|| Broken::new("the commit gives no reference"))
}

async fn read(lab: &Lab, reference: &Reference) -> Held {
    let source = lab.source(reference).await?;
    Seen::read(&*source).await?.is(&Image::simple(7).build()?, lab.facts())
}
