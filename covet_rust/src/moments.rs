//! Moments of databases to aware `datetime`: PostgreSQL's eight bytes, SQLite's texts; the twin is `covet/accel/twins/moments.py`.

use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;
use pyo3::types::PyString;
#[cfg(feature = "abi3")]
use pyo3::types::PyType;
#[cfg(not(feature = "abi3"))]
use pyo3::types::{PyDateAccess, PyDateTime, PyTimeAccess, PyTzInfo, PyTzInfoAccess};

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Days from 0000-03-01, so that the leap day ends each year, to 2000-01-01, PostgreSQL's epoch.
const EPOCH_DAYS: i64 = 730_425;
/// Days of four hundred years.
const ERA_DAYS: i64 = 146_097;
/// 0001-01-01 and 9999-12-31 as days since the epoch: what a `datetime` can hold.
const FIRST_DAY: i64 = -730_119;
const LAST_DAY: i64 = 2_921_939;
/// The last microsecond of the last day.
#[cfg(not(feature = "abi3"))]
const LAST_MICROS: i64 = (LAST_DAY + 1) * MICROS_PER_DAY - 1;

/// What every moment is made by.
struct Makers {
    #[cfg(feature = "abi3")]
    datetime: Py<PyType>,
    #[cfg(feature = "abi3")]
    utc: Py<PyAny>,
    #[cfg(not(feature = "abi3"))]
    utc: Py<PyTzInfo>,
    /// PostgreSQL's `infinity` and `-infinity`, as asyncpg gives them: without a zone.
    ever: Py<PyAny>,
    never: Py<PyAny>,
}

impl Makers {
    /// Return the moment of these ten bytes, in UTC.
    #[cfg(feature = "abi3")]
    fn make(&self, py: Python<'_>, state: &[u8; 10]) -> PyResult<Py<PyAny>> {
        // What a pickle of it holds: the constructor takes it as it is, where seven numbers would each be read and checked.
        let state = PyBytes::new(py, state);
        Ok(self
            .datetime
            .bind(py)
            .call1((state, self.utc.bind(py)))?
            .unbind())
    }

    /// Return the moment of these ten bytes, in UTC; without a call where the constructor may be reached in C.
    #[cfg(not(feature = "abi3"))]
    fn make(&self, py: Python<'_>, state: &[u8; 10]) -> PyResult<Py<PyAny>> {
        let &[high, low, month, day, hour, minute, second, micro @ ..] = state;
        let micro = u32::from_be_bytes([0, micro[0], micro[1], micro[2]]);
        let year = i32::from(u16::from_be_bytes([high, low]));
        let utc = Some(self.utc.bind(py));
        let made = PyDateTime::new(py, year, month, day, hour, minute, second, micro, utc)?;
        Ok(made.into_any().unbind())
    }
}

static MAKERS: PyOnceLock<Makers> = PyOnceLock::new();

fn makers(py: Python<'_>) -> PyResult<&'static Makers> {
    MAKERS.get_or_try_init(py, || {
        let module = py.import("datetime")?;
        let datetime = module.getattr("datetime")?;
        let utc = module.getattr("UTC")?;
        Ok(Makers {
            #[cfg(feature = "abi3")]
            utc: utc.unbind(),
            #[cfg(not(feature = "abi3"))]
            utc: utc.cast_into::<PyTzInfo>()?.unbind(),
            ever: datetime.getattr("max")?.unbind(),
            never: datetime.getattr("min")?.unbind(),
            #[cfg(feature = "abi3")]
            datetime: datetime.cast_into::<PyType>()?.unbind(),
        })
    })
}

/// Return the moment that eight bytes tell: microseconds since 2000, the most significant byte first.
#[pyfunction]
#[pyo3(signature = (data, /))]
pub fn decode_moment(py: Python<'_>, data: &[u8]) -> PyResult<Py<PyAny>> {
    let makers = makers(py)?;
    let Ok(bytes) = <[u8; 8]>::try_from(data) else {
        let told = format!("a moment has 8 bytes, not {}", data.len());
        return Err(PyValueError::new_err(told));
    };
    let micros = i64::from_be_bytes(bytes);
    if micros == i64::MAX {
        return Ok(makers.ever.clone_ref(py));
    }
    if micros == i64::MIN {
        return Ok(makers.never.clone_ref(py));
    }
    let Some(state) = state(micros) else {
        return Err(PyOverflowError::new_err("date value out of range"));
    };
    makers.make(py, &state)
}

/// Return the moment of a text `YYYY-MM-DD HH:MM:SS.ffffff`, in UTC; whatever else there may be is a `ValueError`.
#[pyfunction]
#[pyo3(signature = (value, /))]
pub fn read_moment(value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let py = value.py();
    let state = match value.cast::<PyString>() {
        Ok(text) => state_of(text.to_str()?.as_bytes()),
        Err(_) => None,
    };
    let Some(state) = state else {
        return Err(PyValueError::new_err(
            "no moment in the form that is stored",
        ));
    };
    makers(py)?.make(py, &state)
}

/// Return a moment that has no zone as one in UTC; whatever else there may be is a `ValueError`.
///
/// Not for the stable ABI: it has no way to the parts of a moment that would be quicker than Python's own.
#[cfg(not(feature = "abi3"))]
#[pyfunction]
#[pyo3(signature = (value, /))]
pub fn in_utc(value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    let py = value.py();
    let Ok(naive) = value.cast_exact::<PyDateTime>() else {
        return Err(PyValueError::new_err("no moment"));
    };
    let made = PyDateTime::new_with_fold(
        py,
        naive.get_year(),
        naive.get_month(),
        naive.get_day(),
        naive.get_hour(),
        naive.get_minute(),
        naive.get_second(),
        naive.get_microsecond(),
        Some(makers(py)?.utc.bind(py)),
        naive.get_fold(),
    )?;
    Ok(made.into_any().unbind())
}

/// Return the eight bytes of a moment in UTC, or None for another one, and for those that stand for the infinities.
///
/// Not for the stable ABI, as above.
#[cfg(not(feature = "abi3"))]
#[pyfunction]
#[pyo3(signature = (value, /))]
pub fn encode_moment<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let py = value.py();
    let Ok(moment) = value.cast_exact::<PyDateTime>() else {
        return Ok(None);
    };
    match moment.get_tzinfo() {
        Some(zone) if zone.is(&makers(py)?.utc) => {}
        _ => return Ok(None),
    }
    let days = days(
        i64::from(moment.get_year()),
        i64::from(moment.get_month()),
        i64::from(moment.get_day()),
    );
    let (hour, minute) = (i64::from(moment.get_hour()), i64::from(moment.get_minute()));
    let seconds = (hour * 60 + minute) * 60 + i64::from(moment.get_second());
    let micros = days * MICROS_PER_DAY + seconds * 1_000_000 + i64::from(moment.get_microsecond());
    let is_end = micros == LAST_MICROS || micros == FIRST_DAY * MICROS_PER_DAY;
    Ok((!is_end).then(|| PyBytes::new(py, &micros.to_be_bytes())))
}

/// Return how many days a date is behind the epoch.
#[cfg(not(feature = "abi3"))]
fn days(year: i64, month: i64, day: i64) -> i64 {
    // As in `state`, the other way round.
    let (year, from_march) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * ERA_DAYS + of_era - EPOCH_DAYS
}

/// Return the ten bytes of the moment that a text tells; `None` for another form, and for a day or hour that there is not.
fn state_of(text: &[u8]) -> Option<[u8; 10]> {
    let text = <&[u8; 26]>::try_from(text).ok()?;
    let marks = [
        (4, b'-'),
        (7, b'-'),
        (10, b' '),
        (13, b':'),
        (16, b':'),
        (19, b'.'),
    ];
    if marks.iter().any(|&(at, mark)| text[at] != mark) {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<u32> {
        let mut found = 0;
        for &digit in &text[from..to] {
            if !digit.is_ascii_digit() {
                return None;
            }
            found = found * 10 + u32::from(digit - b'0');
        }
        Some(found)
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => return None,
    };
    if year == 0 || day == 0 || day > days || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let byte = |value: u32| u8::try_from(value).ok();
    let [_, _, year_high, year_low] = year.to_be_bytes();
    let [_, micro_high, micro_middle, micro_low] = number(20, 26)?.to_be_bytes();
    Some([
        year_high,
        year_low,
        byte(month)?,
        byte(day)?,
        byte(hour)?,
        byte(minute)?,
        byte(second)?,
        micro_high,
        micro_middle,
        micro_low,
    ])
}

/// Return the ten bytes in which a `datetime` keeps itself; `None` beyond its years.
fn state(micros: i64) -> Option<[u8; 10]> {
    let day = micros.div_euclid(MICROS_PER_DAY);
    if !(FIRST_DAY..=LAST_DAY).contains(&day) {
        return None;
    }
    // Years that begin in March, in eras of four hundred: the leap day is always the last one.
    let days = day + EPOCH_DAYS;
    let era = days.div_euclid(ERA_DAYS);
    let of_era = days.rem_euclid(ERA_DAYS);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let rest = micros.rem_euclid(MICROS_PER_DAY);
    let seconds = rest / 1_000_000;
    let micro = rest % 1_000_000;
    let [.., year_high, year_low] = year.to_be_bytes();
    let [.., micro_high, micro_middle, micro_low] = micro.to_be_bytes();
    let byte = |value: i64| u8::try_from(value).ok();
    Some([
        year_high,
        year_low,
        byte(month)?,
        byte(day_of_month)?,
        byte(seconds / 3_600)?,
        byte(seconds / 60 % 60)?,
        byte(seconds % 60)?,
        micro_high,
        micro_middle,
        micro_low,
    ])
}
