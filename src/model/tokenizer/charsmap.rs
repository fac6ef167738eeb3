//! The normaliser inside a SentencePiece model: a double array over bytes (the form of darts-clone) with a text of
//! replacements. The `tokenizers` crate walks it without looking at bounds, so they are looked at here, once.

/// Whether every walk stays inside the array, and every replacement inside the text.
///
/// The form: the size of the array in bytes (u32), its units (u32, little-endian), replacements that end with a zero byte.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0u32, |number, byte| number << 8 | u32::from(*byte));
    let (size, rest) = bytes.split_at_checked(4).ok_or("it is cut")?;
    let (array, texts) = rest.split_at_checked(number(size) as usize).ok_or("its array is cut")?;
    let texts = std::str::from_utf8(texts).map_err(|_| "its replacements are not UTF-8 text")?;
    if array.is_empty() || !array.len().is_multiple_of(4) {
        return Err("its array has no whole units".into());
    }
    let units: Vec<u32> = array.chunks_exact(4).map(number).collect();
    for (place, unit) in units.iter().enumerate() {
        // A unit that is a value has no way on, and no label leads to it; the root is taken without a look at its label.
        if unit >> 31 == 1 && place > 0 {
            continue;
        }
        let offset = ((unit >> 10) as usize) << ((unit & 1 << 9) >> 6);
        let base = place ^ offset;
        // The next byte is xored in: any of the block of 256.
        if base | 0xff >= units.len() {
            return Err(format!("unit {place} leads out of its array"));
        }
        let has_value = unit >> 8 & 1 == 1;
        if has_value && !texts.is_char_boundary((units[base] & !(1 << 31)) as usize) {
            return Err(format!("unit {place} has no replacement"));
        }
    }
    Ok(())
}
