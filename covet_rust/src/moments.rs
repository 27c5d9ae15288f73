//! PostgreSQL's moments: eight bytes of its binary protocol to an aware `datetime`; the twin is `covet/accel/twins/moments.py`.

use pyo3::exceptions::{PyOverflowError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Days from 0000-03-01, so that the leap day ends each year, to 2000-01-01, PostgreSQL's epoch.
const EPOCH_DAYS: i64 = 730_425;
/// Days of four hundred years.
const ERA_DAYS: i64 = 146_097;
/// 0001-01-01 and 9999-12-31 as days since the epoch: what a `datetime` can hold.
const FIRST_DAY: i64 = -730_119;
const LAST_DAY: i64 = 2_921_939;

/// What every moment is made by.
struct Makers {
    datetime: Py<PyType>,
    utc: Py<PyAny>,
    /// PostgreSQL's `infinity` and `-infinity`, as asyncpg gives them: without a zone.
    ever: Py<PyAny>,
    never: Py<PyAny>,
}

static MAKERS: PyOnceLock<Makers> = PyOnceLock::new();

fn makers(py: Python<'_>) -> PyResult<&'static Makers> {
    MAKERS.get_or_try_init(py, || {
        let module = py.import("datetime")?;
        let datetime = module.getattr("datetime")?.cast_into::<PyType>()?;
        Ok(Makers {
            utc: module.getattr("UTC")?.unbind(),
            ever: datetime.getattr("max")?.unbind(),
            never: datetime.getattr("min")?.unbind(),
            datetime: datetime.unbind(),
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
    // What a pickle of it holds: the constructor takes it as it is, where seven numbers would each be read and checked.
    let state = PyBytes::new(py, &state);
    Ok(makers
        .datetime
        .bind(py)
        .call1((state, makers.utc.bind(py)))?
        .unbind())
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
