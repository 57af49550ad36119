//! Times in files: whole milliseconds.

pub(super) mod duration {
    use openproxy_core::time::Duration;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

pub(super) mod instant {
    use openproxy_core::time::Instant;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(at: &Instant, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(at.as_nanos() / 1_000_000)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Instant, D::Error> {
        let millis = u64::deserialize(from)?;
        let at = millis.checked_mul(1_000_000).map(Instant::from_nanos);
        at.ok_or_else(|| serde::de::Error::custom("more milliseconds than there are"))
    }
}
