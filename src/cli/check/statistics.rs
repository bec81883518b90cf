//! The statistic: how well a reading of the columns fits what is known of the channels, and how likely that is by chance.

/// Channels that a layout moves about among themselves: both layouts keep a weight within its 128.
const GROUP: usize = 128;

/// How a file's I2_S is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// 128 weights in 32 bytes, the published one.
    Groups128,
    /// 64 weights in 16 bytes.
    Groups64,
}

impl Layout {
    /// Where the weight of `channel` shows in a row of this layout that is read as [`Layout::Groups128`].
    pub(super) fn shown_at(self, channel: usize) -> usize {
        match self {
            Layout::Groups128 => channel,
            Layout::Groups64 => {
                let (start, within) = (channel / GROUP * GROUP, channel % GROUP);
                // Half, field and byte of the 64; a field of the 128 has 32 bytes, and the halves share each.
                start + within % 64 / 16 * 32 + within / 64 * 16 + within % 16
            }
        }
    }
}

/// Whether the two layouts differ on a channel: six runs of 16 in eight move.
fn moves(channel: usize) -> bool {
    Layout::Groups64.shown_at(channel) != channel
}

/// Evidence that a reading is right. If it is wrong, `chi2` is distributed as χ² with `freedom` degrees of freedom.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Evidence {
    pub(super) chi2: f64,
    pub(super) freedom: f64,
}

impl Evidence {
    /// How well `columns`, read as `layout`, agree with the references, which no layout moves: R² of their ranks, times
    /// the number of channels. Only the channels that move are looked at, so a wrong reading has nothing right in it, and
    /// of these only what sets a channel apart within its 128: what sets the 128 apart would speak for both layouts.
    pub(super) fn of(columns: &[f64], references: &[Vec<f64>], layout: Layout) -> Self {
        let moved: Vec<usize> = (0..columns.len()).filter(|&channel| moves(channel)).collect();
        let per_group = GROUP * 3 / 4;
        let read = centred_ranks(moved.iter().map(|&channel| columns[layout.shown_at(channel)]), per_group);
        let length = dot(&read, &read);
        let mut basis: Vec<Vec<f64>> = Vec::new();
        let mut shared = 0.0;
        for reference in references {
            let mut rest = centred_ranks(moved.iter().map(|&channel| reference[channel]), per_group);
            let whole = dot(&rest, &rest);
            for unit in &basis {
                let part = dot(&rest, unit);
                rest.iter_mut().zip(unit).for_each(|(rest, unit)| *rest -= part * unit);
            }
            let left = dot(&rest, &rest);
            // All alike, or a copy of another: no new information.
            if left <= 1e-9 * whole {
                continue;
            }
            rest.iter_mut().for_each(|x| *x /= left.sqrt());
            shared += dot(&read, &rest).powi(2);
            basis.push(rest);
        }
        if length == 0.0 {
            return Self::default();
        }
        let independent = moved.len() - moved.len() / per_group;
        Self { chi2: independent as f64 * shared / length, freedom: basis.len() as f64 }
    }

    /// As a standard normal deviate (Wilson and Hilferty's cube root). `None` if there is no evidence at all.
    pub(super) fn deviate(self) -> Option<f64> {
        let variance = 2.0 / (9.0 * self.freedom);
        (self.freedom > 0.0).then(|| ((self.chi2 / self.freedom).cbrt() - 1.0 + variance) / variance.sqrt())
    }
}

impl std::ops::AddAssign for Evidence {
    /// Of another layer: layers are independent.
    fn add_assign(&mut self, other: Self) {
        self.chi2 += other.chi2;
        self.freedom += other.freedom;
    }
}

/// Ranks, ties sharing their mean, less the mean of each run of `group`.
fn centred_ranks(values: impl Iterator<Item = f64>, group: usize) -> Vec<f64> {
    let values: Vec<f64> = values.collect();
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for tie in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = first as f64 + (tie.len() - 1) as f64 / 2.0;
        tie.iter().for_each(|&i| ranks[i] = rank);
        first += tie.len();
    }
    for group in ranks.chunks_mut(group) {
        let mean = group.iter().sum::<f64>() / group.len() as f64;
        group.iter_mut().for_each(|rank| *rank -= mean);
    }
    ranks
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// What the evidence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Told(Layout),
    /// Neither reading fits.
    Neither,
    /// Both fit, or the better one not clearly so.
    Both,
    /// No layer to look at.
    Nothing,
}

/// The least deviate that tells a layout: by chance one file in 10⁹.
pub(super) const TELLS: f64 = 6.0;

/// The layout whose deviate is at least [`TELLS`] and twice the other's.
pub(super) fn decide(groups128: Evidence, groups64: Evidence) -> Verdict {
    let (Some(official), Some(foreign)) = (groups128.deviate(), groups64.deviate()) else { return Verdict::Nothing };
    match (official, foreign) {
        _ if official.max(foreign) < TELLS => Verdict::Neither,
        _ if official >= 2.0 * foreign => Verdict::Told(Layout::Groups128),
        _ if foreign >= 2.0 * official => Verdict::Told(Layout::Groups64),
        _ => Verdict::Both,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniform in 0..1 (SplitMix64).
    fn random(state: &mut u64) -> f64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) as f64 / u64::MAX as f64
    }

    /// A layer whose references follow its columns to the share `signal`.
    fn layer(channels: usize, signal: f64, seed: &mut u64) -> (Vec<f64>, Vec<Vec<f64>>) {
        let columns: Vec<f64> = (0..channels).map(|_| random(seed)).collect();
        let references =
            (0..3).map(|_| columns.iter().map(|&c| signal * c + (1.0 - signal) * random(seed)).collect()).collect();
        (columns, references)
    }

    fn both(columns: &[f64], references: &[Vec<f64>]) -> (Evidence, Evidence) {
        let of = |layout| Evidence::of(columns, references, layout);
        (of(Layout::Groups128), of(Layout::Groups64))
    }

    #[test]
    fn layouts_differ_by_a_permutation_of_runs_of_16() {
        let shown: Vec<usize> = (0..256).map(|channel| Layout::Groups64.shown_at(channel)).collect();
        let mut sorted = shown.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..256));
        assert_eq!(shown.iter().step_by(16).map(|at| at / 16).collect::<Vec<_>>()[..8], [0, 2, 4, 6, 1, 3, 5, 7]);
        assert_eq!((0..256).filter(|&channel| !moves(channel)).count(), 64);
        assert!((0..256).all(|channel| moves(channel) == moves(shown[channel])), "what moves stays among itself");
    }

    #[test]
    fn ranks_share_ties_and_lose_the_mean_of_their_group() {
        assert_eq!(centred_ranks([3.0, 1.0, 3.0, 9.0].into_iter(), 4), [0.0, -1.5, 0.0, 1.5]);
        assert_eq!(centred_ranks([3.0, 1.0, 3.0, 9.0].into_iter(), 2), [0.75, -0.75, -0.75, 0.75]);
    }

    #[test]
    fn deviates_are_those_of_chi_squared() {
        // Upper 1 % and 0.1 % points, from tables.
        for (freedom, chi2, deviate) in [(3.0, 11.345, 2.326), (18.0, 34.805, 2.326), (90.0, 137.208, 3.090)] {
            let found = Evidence { chi2, freedom }.deviate().unwrap();
            assert!((found - deviate).abs() < 0.02, "{freedom}: {found}");
        }
        assert_eq!(Evidence::default().deviate(), None);
    }

    #[test]
    fn a_layout_with_signal_is_told_and_its_mirror_too() {
        let seed = &mut 1;
        let (columns, references) = layer(768, 0.4, seed);
        let (official, foreign) = both(&columns, &references);
        assert_eq!(decide(official, foreign), Verdict::Told(Layout::Groups128), "{official:?} {foreign:?}");
        let mut shown = columns.clone();
        columns.iter().enumerate().for_each(|(channel, &c)| shown[Layout::Groups64.shown_at(channel)] = c);
        let (mirrored, found) = both(&shown, &references);
        assert_eq!(found, official, "read as what it is, it is the same file");
        assert_eq!(decide(mirrored, found), Verdict::Told(Layout::Groups64));
    }

    #[test]
    fn the_sign_does_not_matter() {
        let (columns, mut references) = layer(256, 0.5, &mut 2);
        let before = Evidence::of(&columns, &references, Layout::Groups128);
        references[1].iter_mut().for_each(|x| *x = -*x);
        let after = Evidence::of(&columns, &references, Layout::Groups128);
        assert!((before.chi2 - after.chi2).abs() < 1e-9 * before.chi2);
    }

    #[test]
    fn chance_is_as_rare_as_promised() {
        let seed = &mut 3;
        let deviates: Vec<f64> = (0..2000)
            .map(|_| {
                let (columns, references) = layer(256, 0.0, seed);
                let (official, foreign) = both(&columns, &references);
                assert_eq!(decide(official, foreign), Verdict::Neither);
                foreign.deviate().unwrap()
            })
            .collect();
        let beyond = deviates.iter().filter(|&&z| z > 2.326).count();
        assert!((8..40).contains(&beyond), "{beyond} of 2000 beyond the 1 % point");
    }

    #[test]
    fn a_trend_over_the_groups_speaks_for_neither() {
        // Channels in order of size, group by group, as after a sort: nothing within a group.
        let seed = &mut 4;
        let trend = |seed: &mut u64| (0..1024).map(|c| (c / 128) as f64 + random(seed)).collect::<Vec<f64>>();
        let (columns, references) = (trend(seed), vec![trend(seed), trend(seed)]);
        let (official, foreign) = both(&columns, &references);
        assert_eq!(decide(official, foreign), Verdict::Neither, "{official:?} {foreign:?}");
    }

    #[test]
    fn no_contrast_is_no_evidence() {
        let (columns, references) = layer(128, 0.5, &mut 5);
        assert_eq!(Evidence::of(&[7.0; 128], &references, Layout::Groups128), Evidence::default());
        let flat = vec![vec![1.0; 128]];
        assert_eq!(Evidence::of(&columns, &flat, Layout::Groups128).deviate(), None);
        let twice = vec![references[0].clone(), references[0].clone()];
        assert_eq!(Evidence::of(&columns, &twice, Layout::Groups128).freedom, 1.0);
    }

    #[test]
    fn a_winner_must_be_clear() {
        let evidence = |chi2| Evidence { chi2, freedom: 18.0 };
        assert_eq!(decide(evidence(900.0), evidence(18.0)), Verdict::Told(Layout::Groups128));
        assert_eq!(decide(evidence(18.0), evidence(900.0)), Verdict::Told(Layout::Groups64));
        assert_eq!(decide(evidence(900.0), evidence(800.0)), Verdict::Both);
        assert_eq!(decide(evidence(40.0), evidence(18.0)), Verdict::Neither);
        assert_eq!(decide(Evidence::default(), Evidence::default()), Verdict::Nothing);
    }
}
