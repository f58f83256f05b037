//! Which partition of an internal topic holds a key: Java's `String.hashCode`, made non-negative as Kafka does.
//!
//! Clients and Kafka's tools never compute this, but a log taken to Apache Kafka is only found again there if every group
//! and transactional id lies in the partition Kafka would have chosen.

/// The partition, of `partitions` many, that holds `key`. `partitions` below 1 counts as 1.
pub fn partition_for(key: &str, partitions: i32) -> i32 {
    let hash = key.encode_utf16().fold(0_i32, |hash, unit| {
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    });
    // org.apache.kafka.common.utils.Utils.abs: the one number without a positive counterpart becomes 0.
    hash.checked_abs().unwrap_or(0) % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::partition_for;

    #[test]
    fn the_partition_of_a_key_is_the_one_apache_kafka_chooses() {
        // "hello".hashCode() == 99162322, "polygenelubricants".hashCode() == Integer.MIN_VALUE (well-known values).
        assert_eq!(partition_for("hello", 50), 99_162_322 % 50);
        assert_eq!(partition_for("polygenelubricants", 50), 0);
        assert_eq!(partition_for("", 50), 0);
        assert_eq!(partition_for("a", 0), 0);
    }
}
