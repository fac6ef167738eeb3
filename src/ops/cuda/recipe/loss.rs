//! Cross-entropy over a vocabulary, in chunks of places.

use super::Argument::{Address, Count, Real};
use super::elementwise::converted;
use super::linear::{Weight, back, forward};
use super::{Launch, Operand, Queue, rows, scratch};

/// Places (places, hidden) in the states x, one target id each (`targets`, u32), and the rule of the loss.
#[derive(Clone, Copy)]
pub struct Loss {
    pub x: Operand,
    pub targets: u64,
    pub places: usize,
    /// None where it is 0.
    pub cap: f64,
    pub smoothing: f64,
}

/// `sum` (1) becomes the sum of the losses, `slopes` (places, hidden) its gradient by x. Logits of `chunk` places, in f32,
/// are in memory at once. Three launches for each chunk, with a weight of f16 seven, and two.
pub fn loss_and_slopes<Q: Queue>(
    queue: &Q,
    of: Loss,
    weight: &Weight,
    (sum, slopes): (Operand, Operand),
    chunk: usize,
) -> Result<(), Q::Error> {
    let (vocabulary, hidden, working) = (weight.outputs, weight.inputs, of.x.kind.working());
    let chunk = chunk.clamp(1, of.places.max(1));
    let written = weight.operand.kind.written();
    let (_states, states) = converted(queue, of.x, written, of.places * hidden)?;
    let (_logits, logits) = scratch(queue, working, chunk * vocabulary)?;
    let is_one_kind = written == working;
    let (_by_logit, by_logit) = scratch(queue, written, if is_one_kind { 0 } else { chunk * vocabulary })?;
    let by_logit = if is_one_kind { logits } else { by_logit };
    let losses = queue.room(of.places * 8)?;
    let losses = (super::Room::address(&losses), losses);
    for from in (0..of.places).step_by(chunk) {
        let m = chunk.min(of.places - from);
        forward(queue, states.skip(from * hidden), weight, None, logits, m)?;
        let kernel = format!("logit_slopes_{}_{}", working.name(), by_logit.kind.name());
        let (targets, losses) = (Address(of.targets + 4 * from as u64), Address(losses.0 + 8 * from as u64));
        let places = [Address(logits.address), Address(by_logit.address), targets, losses];
        let [logits, by_logits, targets, losses] = places;
        let arguments = [logits, by_logits, targets, losses, Count(vocabulary), Real(of.cap), Real(of.smoothing)];
        rows(queue, ("loss", kernel), (m, vocabulary), &arguments)?;
        back(queue, by_logit, weight, slopes.skip(from * hidden), m)?;
    }
    queue.launch(&Launch {
        module: "loss",
        kernel: format!("sum_losses_{}", sum.kind.name()),
        blocks: (1, 1),
        threads: 256,
        arguments: &[Address(losses.0), Address(sum.address), Count(of.places)],
    })
}
