//! The colours: the hues of Okabe and Ito's palette, each moved to a lightness that reads on black and on white alike.
//! Text has a contrast of at least 3 to 1 on both, so that nobody need ask a terminal for its background.
//!
//! Hues are numbers of the 256-colour cube also where a terminal does 24 bits: a change of colour is then 10 bytes
//! instead of up to 19, and nobody tells them apart. Only the ramps, which gain by it, are mixed in 24 bits.

use ratatui::style::Color;

/// How many colours a terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Depth {
    /// None at all: `NO_COLOR`, `TERM=dumb`.
    None,
    /// The 16 named ones, whatever the terminal makes of them.
    Sixteen,
    /// The cube of 6 x 6 x 6 and 24 greys.
    Many,
    /// 24 bits.
    True,
}

/// A colour at two depths: by name, and in the cube.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hue {
    pub named: Color,
    pub cube: u8,
}

impl Hue {
    /// The colour at a depth.
    pub fn at(self, depth: Depth) -> Option<Color> {
        match depth {
            Depth::None => None,
            Depth::Sixteen => Some(self.named),
            Depth::Many | Depth::True => Some(Color::Indexed(self.cube)),
        }
    }
}

pub const ACCENT: Hue = Hue { named: Color::Cyan, cube: 33 };
pub const GOOD: Hue = Hue { named: Color::Green, cube: 29 };
pub const WARNING: Hue = Hue { named: Color::Magenta, cube: 169 };
pub const BAD: Hue = Hue { named: Color::Red, cube: 202 };
pub const SECOND: Hue = Hue { named: Color::Magenta, cube: 136 };

/// Series that are told apart by colour; each has a mark of its own besides.
pub const SERIES: usize = 8;

/// Colours of series, the most different first. Of 16 colours six read on both backgrounds, so two come again: there
/// the marks tell.
pub const SERIES_HUES: [Hue; SERIES] = [
    Hue { named: Color::Cyan, cube: 33 },
    Hue { named: Color::Red, cube: 202 },
    Hue { named: Color::Green, cube: 65 },
    Hue { named: Color::Magenta, cube: 169 },
    Hue { named: Color::Blue, cube: 93 },
    Hue { named: Color::DarkGray, cube: 94 },
    Hue { named: Color::Cyan, cube: 25 },
    Hue { named: Color::Red, cube: 59 },
];

/// Text from grey to blue: as legible at its beginning as at its end, ever more of one hue.
const RAMP: [(u8, (u8, u8, u8)); 5] =
    [(246, (148, 148, 148)), (103, (135, 135, 175)), (104, (120, 135, 215)), (69, (80, 130, 255)), (27, (0, 95, 255))];

/// Filled cells from dark blue over grey to yellow, ever lighter, also to eyes that take red for green.
const HEAT: [(u8, (u8, u8, u8)); 6] = [
    (17, (0, 32, 96)),
    (60, (62, 74, 108)),
    (102, (124, 123, 120)),
    (144, (165, 156, 116)),
    (185, (208, 190, 92)),
    (227, (255, 234, 70)),
];

/// Text that says how large a share is; none where there are few colours.
pub fn ramp(share: f64, depth: Depth) -> Option<Color> {
    along(&RAMP, share, depth).map(|(colour, _)| colour)
}

/// A filled cell that says how large a share is: its ground, and the colour of text on it. None where there are few colours.
pub fn heat(share: f64, depth: Depth) -> Option<(Color, Color)> {
    let (ground, rgb) = along(&HEAT, share, depth)?;
    // Where black and white read alike.
    let text = if luminance(rgb) > 0.179 { 16 } else { 231 };
    Some((ground, Color::Indexed(text)))
}

fn along(stops: &[(u8, (u8, u8, u8))], share: f64, depth: Depth) -> Option<(Color, (u8, u8, u8))> {
    let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
    let place = share * (stops.len() - 1) as f64;
    match depth {
        Depth::None | Depth::Sixteen => None,
        Depth::Many => {
            let (cube, _) = stops.get(place.round() as usize)?;
            Some((Color::Indexed(*cube), rgb_of_cube(*cube)))
        }
        Depth::True => {
            let low = place as usize;
            let (from, to) = (stops.get(low)?.1, stops.get(low + 1).or(stops.last())?.1);
            let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * place.fract()).round() as u8;
            let rgb = (mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2));
            Some((Color::Rgb(rgb.0, rgb.1, rgb.2), rgb))
        }
    }
}

/// Red, green and blue of a colour of the cube or of its greys, as xterm has them.
fn rgb_of_cube(colour: u8) -> (u8, u8, u8) {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    match colour {
        16..232 => {
            let level = |of: u8| LEVELS[usize::from((colour - 16) / of % 6)];
            (level(36), level(6), level(1))
        }
        232.. => {
            let grey = 8 + 10 * (colour - 232);
            (grey, grey, grey)
        }
        // The 16 are the terminal's own.
        _ => (0, 0, 0),
    }
}

/// Relative luminance as WCAG 2 defines it: 0 is black, 1 is white.
fn luminance((r, g, b): (u8, u8, u8)) -> f64 {
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

/// The light of an sRGB component.
fn linear(component: u8) -> f64 {
    let c = f64::from(component) / 255.0;
    if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rgb = (u8, u8, u8);

    fn rgb(colour: Color) -> Rgb {
        match colour {
            Color::Indexed(cube) => rgb_of_cube(cube),
            Color::Rgb(r, g, b) => (r, g, b),
            other => panic!("{other:?} is the terminal's own"),
        }
    }

    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// How an eye without one kind of cone sees a colour, in OKLab, whose distances are about those that people see.
    /// Matrices: Machado, Oliveira, Fernandes 2009, at full severity.
    fn seen(eye: &[[f64; 3]; 3], (r, g, b): Rgb) -> [f64; 3] {
        let light = [linear(r), linear(g), linear(b)];
        let times = |m: &[[f64; 3]; 3], v: [f64; 3]| m.map(|row| row.iter().zip(v).map(|(a, b)| a * b).sum::<f64>());
        let light = times(eye, light).map(|l| l.clamp(0.0, 1.0));
        let cones = times(
            &[
                [0.412_221_47, 0.536_332_54, 0.051_445_99],
                [0.211_903_5, 0.680_699_55, 0.107_396_96],
                [0.088_302_46, 0.281_718_84, 0.629_978_7],
            ],
            light,
        );
        times(
            &[
                [0.210_454_26, 0.793_617_79, -0.004_072_05],
                [1.977_998_5, -2.428_592_21, 0.450_593_71],
                [0.025_904_04, 0.782_771_77, -0.808_675_77],
            ],
            cones.map(f64::cbrt),
        )
    }

    const EYES: [[[f64; 3]; 3]; 3] = [
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        [[0.152_286, 1.052_583, -0.204_868], [0.114_503, 0.786_281, 0.099_216], [-0.003_882, -0.048_116, 1.051_998]],
        [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_82, 0.042_94, 0.968_881]],
    ];

    /// The least distance of two colours to any eye.
    fn apart(a: Rgb, b: Rgb) -> f64 {
        let distance = |eye| {
            let (a, b) = (seen(eye, a), seen(eye, b));
            a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
        };
        EYES.iter().map(distance).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn all_text_reads_on_black_and_on_white() {
        for depth in [Depth::Many, Depth::True] {
            let hues = [ACCENT, GOOD, WARNING, BAD, SECOND].into_iter().chain(SERIES_HUES);
            let ramps = (0..=100).filter_map(|i| ramp(f64::from(i) / 100.0, depth));
            let all: Vec<Color> = hues.filter_map(|hue| hue.at(depth)).chain(ramps).collect();
            assert_eq!(all.len(), 5 + 8 + 101);
            for colour in all {
                for ground in [(0, 0, 0), (255, 255, 255)] {
                    let found = contrast(rgb(colour), ground);
                    assert!(found >= 3.0, "{colour:?} {:?} on {ground:?}: {found:.2}", rgb(colour));
                }
            }
        }
    }

    #[test]
    fn text_on_a_filled_cell_reads() {
        for depth in [Depth::Many, Depth::True] {
            for i in 0..=100 {
                let (ground, text) = heat(f64::from(i) / 100.0, depth).unwrap();
                let found = contrast(rgb(ground), rgb(text));
                assert!(found >= 4.5, "{text:?} on {ground:?}: {found:.2}");
            }
        }
    }

    #[test]
    fn no_eye_takes_one_hue_for_another() {
        let states = [ACCENT, GOOD, WARNING, BAD].map(|hue| rgb_of_cube(hue.cube));
        let series = SERIES_HUES.map(|hue| rgb_of_cube(hue.cube));
        let curves = [ACCENT, SECOND].map(|hue| rgb_of_cube(hue.cube));
        for (set, least) in [(&states[..], 0.07), (&series[..], 0.07), (&curves[..], 0.2)] {
            for (i, a) in set.iter().enumerate() {
                for b in &set[i + 1..] {
                    assert!(apart(*a, *b) >= least, "{a:?} and {b:?}: {:.3}", apart(*a, *b));
                }
            }
        }
    }

    #[test]
    fn heat_grows_ever_lighter_and_the_ramp_ever_more_blue() {
        for depth in [Depth::Many, Depth::True] {
            let at = |i: i32| f64::from(i) / 100.0;
            let light = |i| luminance(rgb(heat(at(i), depth).unwrap().0));
            let blue = |i| {
                let [_, a, b] = seen(&EYES[0], rgb(ramp(at(i), depth).unwrap()));
                a.hypot(b)
            };
            for i in 1..=100 {
                assert!(light(i) >= light(i - 1), "{depth:?} heat {i}");
                assert!(blue(i) >= blue(i - 1) - 2e-3, "{depth:?} ramp {i}: {} {}", blue(i), blue(i - 1));
            }
            assert!(light(100) > 4.0 * light(0) && blue(100) > 0.15 && blue(0) < 0.01);
        }
    }

    #[test]
    fn any_share_has_a_colour_where_there_are_many_and_none_where_there_are_few() {
        for share in [f64::NAN, f64::NEG_INFINITY, -1.0, 0.0, 1.0, 7.0, f64::INFINITY] {
            for depth in [Depth::Many, Depth::True] {
                assert!(ramp(share, depth).is_some() && heat(share, depth).is_some());
            }
            assert!(ramp(share, Depth::Sixteen).is_none() && heat(share, Depth::None).is_none());
        }
    }
}
