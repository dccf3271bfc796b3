//! What many measurements of one thing come to.

/// The middle half of some numbers: half of them lie between `low` and `high`, and half below `middle`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quartiles {
    pub(crate) low: f64,
    pub(crate) middle: f64,
    pub(crate) high: f64,
}

/// None of no numbers.
pub(crate) fn quartiles(numbers: impl Iterator<Item = f64>) -> Option<Quartiles> {
    let numbers = sorted(numbers);
    Some(Quartiles {
        low: quantile(&numbers, 0.25)?,
        middle: quantile(&numbers, 0.5)?,
        high: quantile(&numbers, 0.75)?,
    })
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    quantile(&sorted(numbers), 0.5)
}

/// In the order that [`quantile`] wants.
pub(crate) fn sorted(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

/// The number that a share (0 to 1) of these sorted ones lies below; between two of them, as far as the share says.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (*sorted.get(place.floor() as usize)?, *sorted.get(place.ceil() as usize)?);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_two() {
        for (numbers, expect) in [(&[3.0, 1.0, 2.0][..], Some(2.0)), (&[4.0, 1.0], Some(2.5)), (&[], None)] {
            assert_eq!(median(numbers.iter().copied()), expect, "{numbers:?}");
        }
    }

    #[test]
    fn a_quantile_lies_between_its_neighbours() {
        let numbers = [0.0, 10.0, 20.0, 30.0, 40.0];
        for (share, expect) in [(0.0, 0.0), (0.25, 10.0), (0.3, 12.0), (0.99, 39.6), (1.0, 40.0)] {
            let found = quantile(&numbers, share).unwrap();
            assert!((found - expect).abs() < 1e-9, "{share}: {found}");
        }
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn quartiles_are_of_unsorted_numbers() {
        let found = quartiles([5.0, 1.0, 4.0, 2.0, 3.0].into_iter());
        assert_eq!(found, Some(Quartiles { low: 2.0, middle: 3.0, high: 4.0 }));
        assert_eq!(quartiles([].into_iter()), None);
    }
}
