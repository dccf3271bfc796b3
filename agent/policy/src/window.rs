//! Times at which a rule speaks. The time is given: nothing here reads a clock.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

/// A second since the Unix epoch, at which something is judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl Moment {
    /// The last one that there is.
    pub const LAST: Moment = Moment(i64::MAX);

    /// By microseconds since the Unix epoch.
    pub const fn from_micros(micros: u64) -> Self {
        Moment((micros / 1_000_000).cast_signed())
    }

    fn timestamp(self) -> Option<Timestamp> {
        Timestamp::from_second(self.0).ok()
    }
}

/// What is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no time with an offset")]
pub struct TimeError;

impl FromStr for Moment {
    type Err = TimeError;

    /// As RFC 3339 writes it: `2026-03-02T09:30:00Z`.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        text.parse::<Timestamp>().map(|timestamp| Moment(timestamp.as_second())).map_err(|_| TimeError)
    }
}

/// Days of the week and hours of the day, by the clocks of one zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// One bit for each day, Monday's the lowest.
    pub(crate) days: u8,
    /// Minutes since midnight: it begins with the first and ends before the second, on the next day if that is not
    /// later.
    pub(crate) from: u16,
    pub(crate) until: u16,
    pub(crate) zone: TimeZone,
}

/// Minutes of a day.
pub(crate) const DAY: u16 = 24 * 60;

impl Window {
    /// Whether it is open; `None` for a time that no calendar has.
    pub(crate) fn contains(&self, at: Moment) -> Option<bool> {
        let local = self.local(at)?;
        let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap_or(DAY);
        let today = u32::try_from(local.weekday().to_monday_zero_offset()).unwrap_or_default();
        let has = |day: u32| self.days & (1 << (day % 7)) != 0;
        if self.from < self.until {
            return Some(has(today) && (self.from..self.until).contains(&minute));
        }
        Some((has(today) && minute >= self.from) || (has(today + 6) && minute < self.until))
    }

    /// A time until which it stays as it is at this one.
    pub(crate) fn steady_until(&self, at: Moment) -> Moment {
        let (Some(local), Some(now)) = (self.local(at), at.timestamp()) else { return Moment::LAST };
        // By the clocks of the zone it opens or closes at these times of a day; clocks that are put forward or back
        // may make it another time, so it is looked at again then.
        let turns = (0..=1).flat_map(|day| {
            let date = local.date().checked_add(day.days());
            [0, self.from, self.until % DAY].into_iter().filter_map(move |minute| {
                let (hour, minute) = (i8::try_from(minute / 60).ok()?, i8::try_from(minute % 60).ok()?);
                Some(date.as_ref().ok()?.at(hour, minute, 0, 0))
            })
        });
        let turns =
            turns.filter_map(|turn| turn.to_zoned(self.zone.clone()).ok()).map(|turn| turn.timestamp());
        let shifts = self.zone.following(now).next().map(|shift| shift.timestamp());
        let next = turns.chain(shifts).filter(|turn| *turn > now).min();
        next.map_or(Moment::LAST, |next| Moment(next.as_second()))
    }

    fn local(&self, at: Moment) -> Option<Zoned> {
        Some(at.timestamp()?.to_zoned(self.zone.clone()))
    }
}

/// The days of the week in documents.
pub(crate) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl fmt::Display for Window {
    /// As people say it: `on mon-fri, 08:00-18:00 Europe/Berlin`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has = |day: usize| self.days & (1 << (day % 7)) != 0;
        let is_daily = (0..7).all(has);
        if !is_daily {
            // Spans begin behind a day that is not among them, and may go over the end of the week.
            let spans = (0..7).filter(|day| has(*day) && !has(day + 6)).map(|first| {
                let last = (first..first + 7).take_while(|day| has(*day)).last().unwrap_or(first);
                let names = [DAYS[first % 7], DAYS[last % 7]];
                if first == last { names[0].to_owned() } else { names.join("-") }
            });
            write!(f, "on {}", spans.collect::<Vec<_>>().join(", "))?;
        }
        if (self.from, self.until) != (0, DAY) {
            let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
            let before = if is_daily { "at " } else { ", " };
            write!(f, "{before}{}-{}", clock(self.from), clock(self.until))?;
        } else if is_daily {
            f.write_str("on every day")?;
        }
        match self.zone.iana_name() {
            Some(name) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(days: u8, from: u16, until: u16, zone: &str) -> Window {
        Window { days, from, until, zone: TimeZone::get(zone).unwrap() }
    }

    #[test]
    fn a_window_is_open_by_the_clocks_of_its_zone() {
        let work = window(0b001_1111, 9 * 60, 17 * 60, "Europe/Berlin");
        let night = window(0b001_0000, 22 * 60, 6 * 60, "UTC");
        let weekend = window(0b110_0000, 0, DAY, "America/New_York");
        for (window, at, open) in [
            // A Monday in winter, and one in summer.
            (&work, "2026-03-02T07:59:59Z", false),
            (&work, "2026-03-02T08:00:00Z", true),
            (&work, "2026-03-02T16:00:00Z", false),
            (&work, "2026-07-06T07:00:00Z", true),
            (&work, "2026-07-06T15:00:00Z", false),
            (&work, "2026-03-01T10:00:00Z", false),
            // The night that begins on a Friday ends on Saturday.
            (&night, "2026-03-06T21:59:00Z", false),
            (&night, "2026-03-06T22:00:00Z", true),
            (&night, "2026-03-07T05:59:59Z", true),
            (&night, "2026-03-07T06:00:00Z", false),
            (&night, "2026-03-07T22:00:00Z", false),
            (&weekend, "2026-03-07T04:59:59Z", false),
            (&weekend, "2026-03-07T05:00:00Z", true),
            (&weekend, "2026-03-09T03:59:59Z", true),
            (&weekend, "2026-03-09T04:00:00Z", false),
        ] {
            assert_eq!(window.contains(at.parse().unwrap()), Some(open), "{at}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

        #[test]
        fn a_window_neither_opens_nor_closes_before_it_says(
            days in 1u8..128,
            from in 0..DAY,
            until in 1..=DAY,
            zone in prop::sample::select(vec![
                "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu",
            ]),
            // Also over days on which clocks are put forward and back, and over Samoa's day that was not.
            at in prop::sample::select(vec![1_325_200_000i64, 1_774_700_000, 1_792_900_000, 1_790_000_000]),
            more in 0i64..900_000,
            within in 0.0f64..1.0,
        ) {
            let window = window(days, from, until, zone);
            let at = Moment(at + more);
            let end = window.steady_until(at);
            prop_assert!(end > at && end.0 - at.0 <= 25 * 3600);
            let between = Moment(at.0 + ((end.0 - 1 - at.0) as f64 * within) as i64);
            prop_assert_eq!(window.contains(at), window.contains(between));
            prop_assert_eq!(window.contains(at), window.contains(Moment(end.0 - 1)));
        }
    }

    #[test]
    fn a_window_is_told_as_it_is_written() {
        for (window, told) in [
            (window(0b001_1111, 8 * 60, 18 * 60, "Europe/Berlin"), "on mon-fri, 08:00-18:00 Europe/Berlin"),
            (window(0b111_1111, 22 * 60, 6 * 60, "UTC"), "at 22:00-06:00 UTC"),
            (window(0b110_0001, 0, DAY, "UTC"), "on sat-mon UTC"),
            (window(0b010_0101, 0, DAY, "UTC"), "on mon, wed, sat UTC"),
            (window(0b111_1111, 0, DAY, "UTC"), "on every day UTC"),
        ] {
            assert_eq!(window.to_string(), told);
        }
    }
}
