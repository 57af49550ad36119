//! A metric with its series, and how the encoder takes it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::Unit;

/// What tells a series from others of its metric.
pub(super) type Labels = Vec<(&'static str, String)>;

/// What a series says now.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A count.
    Whole(u64),
    /// A measure.
    Real(f64),
    /// A histogram: the sum, and for each upper bound what is below it and above the one before.
    Spread(f64, Vec<(f64, u64)>),
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Whole(count)
    }
}

impl From<u8> for Value {
    fn from(count: u8) -> Self {
        Self::Whole(count.into())
    }
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Whole(u64::try_from(count).unwrap_or(u64::MAX))
    }
}

impl From<bool> for Value {
    fn from(is_so: bool) -> Self {
        Self::Whole(is_so.into())
    }
}

impl From<std::time::Duration> for Value {
    fn from(time: std::time::Duration) -> Self {
        Self::Real(time.as_secs_f64())
    }
}

/// A metric, and its series.
#[derive(Clone, Debug)]
pub(super) struct Family {
    /// Without prefix, unit and `total`, which the encoder adds.
    pub(super) name: &'static str,
    pub(super) kind: MetricType,
    pub(super) unit: Option<Unit>,
    pub(super) help: &'static str,
    /// Each once: a series that is there twice would spoil the scrape.
    pub(super) series: BTreeMap<Labels, Value>,
}

impl Family {
    /// A count of what has happened since the start.
    pub(super) fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: MetricType::Counter, unit: None, help, series: BTreeMap::new() }
    }

    /// How something is now.
    pub(super) fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { kind: MetricType::Gauge, ..Self::counter(name, help) }
    }

    /// How often something took how long.
    pub(super) fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { kind: MetricType::Histogram, ..Self::counter(name, help) }
    }

    /// The same, in this unit.
    pub(super) fn in_unit(self, unit: Unit) -> Self {
        Self { unit: Some(unit), ..self }
    }

    /// The same, with one more series, in the place of one with the same labels.
    pub(super) fn with(mut self, labels: Labels, value: impl Into<Value>) -> Self {
        self.series.insert(labels, value.into());
        self
    }

    /// The same, with these series too.
    pub(super) fn with_all(mut self, series: impl IntoIterator<Item = (Labels, Value)>) -> Self {
        self.series.extend(series);
        self
    }
}

/// All metrics of a scrape.
#[derive(Debug)]
pub(super) struct Families(pub(super) Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in self.0.iter().filter(|family| !family.series.is_empty()) {
            let Family { name, kind, unit, help, series } = family;
            let mut metric = encoder.encode_descriptor(name, help, unit.as_ref(), *kind)?;
            for (labels, value) in series {
                let mut one = metric.encode_family(labels)?;
                encode(*kind, value, &mut one)?;
            }
        }
        Ok(())
    }
}

fn encode(kind: MetricType, value: &Value, series: &mut MetricEncoder<'_>) -> fmt::Result {
    let no_exemplar = None::<&Exemplar<NoLabelSet, f64>>;
    match (kind, value) {
        (MetricType::Counter, Value::Whole(count)) => series.encode_counter(count, no_exemplar),
        (MetricType::Counter, Value::Real(sum)) => series.encode_counter(sum, no_exemplar),
        (_, Value::Whole(count)) => series.encode_gauge(count),
        (_, Value::Real(measure)) => series.encode_gauge(measure),
        (_, Value::Spread(sum, buckets)) => {
            let count = buckets.iter().map(|(_, count)| count).sum();
            let none = None::<&HashMap<usize, Exemplar<NoLabelSet, f64>>>;
            series.encode_histogram(*sum, count, buckets, none)
        }
    }
}
