//! The shapes of all requests: where in each version the lengths and counts stand.
//!
//! From Kafka's message definitions (`clients/src/main/resources/common/message/*.json`). Numbers next to each other are one
//! [`Fixed`]; only what has a length or a count matters here. A test walks every version of every request the broker serves
//! along its shape.

use Kind::{Array, ArrayOf, Blob, Fixed, Optional, Struct, Text};

/// A request's shape.
pub(crate) struct Shape {
    /// Its API.
    pub key: i16,
    /// The first version with compact lengths and tagged fields (KIP-482).
    pub flexible_from: i16,
    /// What it holds, in order.
    pub fields: &'static [Field],
}

/// A field, in the versions that have it.
pub(crate) struct Field {
    pub from: i16,
    pub to: i16,
    /// The number of a tagged field, which stands behind all others.
    pub tag: Option<u32>,
    pub kind: Kind,
}

/// What a field is made of.
pub(crate) enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// A string: its length takes two bytes, or is compact.
    Text,
    /// Bytes: their length takes four, or is compact.
    Blob,
    /// An array of structures.
    Array(&'static [Field]),
    /// An array of plain values.
    ArrayOf(&'static Kind),
    /// A structure that may be absent.
    Optional(&'static [Field]),
    /// A structure.
    Struct(&'static [Field]),
}

type Versions = (i16, i16);
const ALL: Versions = (0, i16::MAX);

const fn from(first: i16) -> Versions {
    (first, i16::MAX)
}

const fn until(last: i16) -> Versions {
    (0, last)
}

const fn only(first: i16, last: i16) -> Versions {
    (first, last)
}

const fn field(versions: Versions, kind: Kind) -> Field {
    Field {
        from: versions.0,
        to: versions.1,
        tag: None,
        kind,
    }
}

const fn tagged(tag: u32, versions: Versions, kind: Kind) -> Field {
    Field {
        from: versions.0,
        to: versions.1,
        tag: Some(tag),
        kind,
    }
}

const fn shape(key: i16, flexible_from: i16, fields: &'static [Field]) -> Shape {
    Shape {
        key,
        flexible_from,
        fields,
    }
}

#[rustfmt::skip] // One field a line, as nested as it is on the wire.
pub(crate) static SHAPES: &[Shape] = &[
    // Produce
    shape(0, 9, &[
        field(from(3), Text),
        field(ALL, Fixed(6)),
        field(ALL, Array(&[
            field(until(12), Text),
            field(from(13), Fixed(16)),
            field(ALL, Array(&[
                field(ALL, Fixed(4)),
                field(ALL, Blob),
            ])),
        ])),
    ]),
    // Fetch
    shape(1, 12, &[
        field(until(14), Fixed(4)),
        field(ALL, Fixed(13)),
        field(from(7), Fixed(8)),
        field(ALL, Array(&[
            field(until(12), Text),
            field(from(13), Fixed(16)),
            field(ALL, Array(&[
                field(ALL, Fixed(4)),
                field(from(9), Fixed(4)),
                field(ALL, Fixed(8)),
                field(from(12), Fixed(4)),
                field(from(5), Fixed(8)),
                field(ALL, Fixed(4)),
                tagged(0, from(17), Fixed(16)),
                tagged(1, from(18), Fixed(8)),
            ])),
        ])),
        field(from(7), Array(&[
            field(only(7, 12), Text),
            field(from(13), Fixed(16)),
            field(from(7), ArrayOf(&Fixed(4))),
        ])),
        field(from(11), Text),
        tagged(0, ALL, Text),
        tagged(1, from(15), Struct(&[field(ALL, Fixed(12))])),
    ]),
    // ListOffsets
    shape(2, 6, &[
        field(ALL, Fixed(4)),
        field(from(2), Fixed(1)),
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, Array(&[
                field(ALL, Fixed(4)),
                field(from(4), Fixed(4)),
                field(ALL, Fixed(8)),
            ])),
        ])),
        field(from(10), Fixed(4)),
    ]),
    // Metadata
    shape(3, 9, &[
        field(ALL, Array(&[
            field(from(10), Fixed(16)),
            field(ALL, Text),
        ])),
        field(from(4), Fixed(1)),
        field(only(8, 10), Fixed(1)),
        field(from(8), Fixed(1)),
    ]),
    // OffsetCommit
    shape(8, 8, &[
        field(ALL, Text),
        field(ALL, Fixed(4)),
        field(ALL, Text),
        field(from(7), Text),
        field(until(4), Fixed(8)),
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, Array(&[
                field(ALL, Fixed(12)),
                field(from(6), Fixed(4)),
                field(ALL, Text),
            ])),
        ])),
    ]),
    // OffsetFetch
    shape(9, 6, &[
        field(until(7), Text),
        field(until(7), Array(&[
            field(until(7), Text),
            field(until(7), ArrayOf(&Fixed(4))),
        ])),
        field(from(8), Array(&[
            field(from(8), Text),
            field(from(9), Text),
            field(from(9), Fixed(4)),
            field(from(8), Array(&[
                field(from(8), Text),
                field(from(8), ArrayOf(&Fixed(4))),
            ])),
        ])),
        field(from(7), Fixed(1)),
    ]),
    // FindCoordinator
    shape(10, 3, &[
        field(until(3), Text),
        field(from(1), Fixed(1)),
        field(from(4), ArrayOf(&Text)),
    ]),
    // JoinGroup
    shape(11, 6, &[
        field(ALL, Text),
        field(ALL, Fixed(4)),
        field(from(1), Fixed(4)),
        field(ALL, Text),
        field(from(5), Text),
        field(ALL, Text),
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, Blob),
        ])),
        field(from(8), Text),
    ]),
    // Heartbeat
    shape(12, 4, &[
        field(ALL, Text),
        field(ALL, Fixed(4)),
        field(ALL, Text),
        field(from(3), Text),
    ]),
    // LeaveGroup
    shape(13, 4, &[
        field(ALL, Text),
        field(until(2), Text),
        field(from(3), Array(&[
            field(from(3), Text),
            field(from(3), Text),
            field(from(5), Text),
        ])),
    ]),
    // SyncGroup
    shape(14, 4, &[
        field(ALL, Text),
        field(ALL, Fixed(4)),
        field(ALL, Text),
        field(from(3), Text),
        field(from(5), Text),
        field(from(5), Text),
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, Blob),
        ])),
    ]),
    // DescribeGroups
    shape(15, 5, &[
        field(ALL, ArrayOf(&Text)),
        field(from(3), Fixed(1)),
    ]),
    // ListGroups
    shape(16, 3, &[
        field(from(4), ArrayOf(&Text)),
        field(from(5), ArrayOf(&Text)),
    ]),
    // SaslHandshake
    shape(17, 99, &[
        field(ALL, Text),
    ]),
    // ApiVersions
    shape(18, 3, &[
        field(from(3), Text),
        field(from(3), Text),
    ]),
    // CreateTopics
    shape(19, 5, &[
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, Fixed(6)),
            field(ALL, Array(&[
                field(ALL, Fixed(4)),
                field(ALL, ArrayOf(&Fixed(4))),
            ])),
            field(ALL, Array(&[
                field(ALL, Text),
                field(ALL, Text),
            ])),
        ])),
        field(ALL, Fixed(5)),
    ]),
    // DeleteTopics
    shape(20, 4, &[
        field(from(6), Array(&[
            field(from(6), Text),
            field(from(6), Fixed(16)),
        ])),
        field(until(5), ArrayOf(&Text)),
        field(ALL, Fixed(4)),
    ]),
    // DeleteRecords
    shape(21, 2, &[
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, Array(&[
                field(ALL, Fixed(12)),
            ])),
        ])),
        field(ALL, Fixed(4)),
    ]),
    // InitProducerId
    shape(22, 2, &[
        field(ALL, Text),
        field(ALL, Fixed(4)),
        field(from(3), Fixed(10)),
    ]),
    // OffsetForLeaderEpoch
    shape(23, 4, &[
        field(from(3), Fixed(4)),
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, Array(&[
                field(ALL, Fixed(12)),
            ])),
        ])),
    ]),
    // AddPartitionsToTxn
    shape(24, 3, &[
        field(from(4), Array(&[
            field(from(4), Text),
            field(from(4), Fixed(11)),
            field(from(4), Array(&[
                field(ALL, Text),
                field(ALL, ArrayOf(&Fixed(4))),
            ])),
        ])),
        field(until(3), Text),
        field(until(3), Fixed(10)),
        field(until(3), Array(&[
            field(ALL, Text),
            field(ALL, ArrayOf(&Fixed(4))),
        ])),
    ]),
    // AddOffsetsToTxn
    shape(25, 3, &[
        field(ALL, Text),
        field(ALL, Fixed(10)),
        field(ALL, Text),
    ]),
    // EndTxn
    shape(26, 3, &[
        field(ALL, Text),
        field(ALL, Fixed(11)),
    ]),
    // WriteTxnMarkers
    shape(27, 0, &[
        field(ALL, Array(&[
            field(ALL, Fixed(11)),
            field(ALL, Array(&[
                field(ALL, Text),
                field(ALL, ArrayOf(&Fixed(4))),
            ])),
            field(ALL, Fixed(4)),
        ])),
    ]),
    // TxnOffsetCommit
    shape(28, 3, &[
        field(ALL, Text),
        field(ALL, Text),
        field(ALL, Fixed(10)),
        field(from(3), Fixed(4)),
        field(from(3), Text),
        field(from(3), Text),
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, Array(&[
                field(ALL, Fixed(12)),
                field(from(2), Fixed(4)),
                field(ALL, Text),
            ])),
        ])),
    ]),
    // DescribeAcls
    shape(29, 2, &[
        field(ALL, Fixed(1)),
        field(ALL, Text),
        field(ALL, Fixed(1)),
        field(ALL, Text),
        field(ALL, Text),
        field(ALL, Fixed(2)),
    ]),
    // CreateAcls
    shape(30, 2, &[
        field(ALL, Array(&[
            field(ALL, Fixed(1)),
            field(ALL, Text),
            field(ALL, Fixed(1)),
            field(ALL, Text),
            field(ALL, Text),
            field(ALL, Fixed(2)),
        ])),
    ]),
    // DeleteAcls
    shape(31, 2, &[
        field(ALL, Array(&[
            field(ALL, Fixed(1)),
            field(ALL, Text),
            field(ALL, Fixed(1)),
            field(ALL, Text),
            field(ALL, Text),
            field(ALL, Fixed(2)),
        ])),
    ]),
    // DescribeConfigs
    shape(32, 4, &[
        field(ALL, Array(&[
            field(ALL, Fixed(1)),
            field(ALL, Text),
            field(ALL, ArrayOf(&Text)),
        ])),
        field(ALL, Fixed(1)),
        field(from(3), Fixed(1)),
    ]),
    // AlterConfigs
    shape(33, 2, &[
        field(ALL, Array(&[
            field(ALL, Fixed(1)),
            field(ALL, Text),
            field(ALL, Array(&[
                field(ALL, Text),
                field(ALL, Text),
            ])),
        ])),
        field(ALL, Fixed(1)),
    ]),
    // AlterReplicaLogDirs
    shape(34, 2, &[
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, Array(&[
                field(ALL, Text),
                field(ALL, ArrayOf(&Fixed(4))),
            ])),
        ])),
    ]),
    // DescribeLogDirs
    shape(35, 2, &[
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, ArrayOf(&Fixed(4))),
        ])),
    ]),
    // SaslAuthenticate
    shape(36, 2, &[
        field(ALL, Blob),
    ]),
    // CreatePartitions
    shape(37, 2, &[
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, Fixed(4)),
            field(ALL, Array(&[
                field(ALL, ArrayOf(&Fixed(4))),
            ])),
        ])),
        field(ALL, Fixed(5)),
    ]),
    // DeleteGroups
    shape(42, 2, &[
        field(ALL, ArrayOf(&Text)),
    ]),
    // ElectLeaders
    shape(43, 2, &[
        field(from(1), Fixed(1)),
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, ArrayOf(&Fixed(4))),
        ])),
        field(ALL, Fixed(4)),
    ]),
    // IncrementalAlterConfigs
    shape(44, 1, &[
        field(ALL, Array(&[
            field(ALL, Fixed(1)),
            field(ALL, Text),
            field(ALL, Array(&[
                field(ALL, Text),
                field(ALL, Fixed(1)),
                field(ALL, Text),
            ])),
        ])),
        field(ALL, Fixed(1)),
    ]),
    // AlterPartitionReassignments
    shape(45, 0, &[
        field(ALL, Fixed(4)),
        field(from(1), Fixed(1)),
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, Array(&[
                field(ALL, Fixed(4)),
                field(ALL, ArrayOf(&Fixed(4))),
            ])),
        ])),
    ]),
    // ListPartitionReassignments
    shape(46, 0, &[
        field(ALL, Fixed(4)),
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, ArrayOf(&Fixed(4))),
        ])),
    ]),
    // OffsetDelete
    shape(47, 99, &[
        field(ALL, Text),
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, Array(&[
                field(ALL, Fixed(4)),
            ])),
        ])),
    ]),
    // DescribeClientQuotas
    shape(48, 1, &[
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, Fixed(1)),
            field(ALL, Text),
        ])),
        field(ALL, Fixed(1)),
    ]),
    // AlterClientQuotas
    shape(49, 1, &[
        field(ALL, Array(&[
            field(ALL, Array(&[
                field(ALL, Text),
                field(ALL, Text),
            ])),
            field(ALL, Array(&[
                field(ALL, Text),
                field(ALL, Fixed(9)),
            ])),
        ])),
        field(ALL, Fixed(1)),
    ]),
    // DescribeUserScramCredentials
    shape(50, 0, &[
        field(ALL, Array(&[
            field(ALL, Text),
        ])),
    ]),
    // AlterUserScramCredentials
    shape(51, 0, &[
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, Fixed(1)),
        ])),
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, Fixed(5)),
            field(ALL, Blob),
            field(ALL, Blob),
        ])),
    ]),
    // DescribeQuorum
    shape(55, 0, &[
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, Array(&[
                field(ALL, Fixed(4)),
            ])),
        ])),
    ]),
    // UpdateFeatures
    shape(57, 0, &[
        field(ALL, Fixed(4)),
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, Fixed(2)),
            field(only(0, 0), Fixed(1)),
            field(from(1), Fixed(1)),
        ])),
        field(from(1), Fixed(1)),
    ]),
    // DescribeCluster
    shape(60, 0, &[
        field(ALL, Fixed(1)),
        field(from(1), Fixed(1)),
        field(from(2), Fixed(1)),
    ]),
    // DescribeProducers
    shape(61, 0, &[
        field(ALL, Array(&[
            field(ALL, Text),
            field(ALL, ArrayOf(&Fixed(4))),
        ])),
    ]),
    // DescribeTransactions
    shape(65, 0, &[
        field(ALL, ArrayOf(&Text)),
    ]),
    // ListTransactions
    shape(66, 0, &[
        field(ALL, ArrayOf(&Text)),
        field(ALL, ArrayOf(&Fixed(8))),
        field(from(1), Fixed(8)),
        field(from(2), Text),
    ]),
    // ConsumerGroupHeartbeat
    shape(68, 0, &[
        field(ALL, Text),
        field(ALL, Text),
        field(ALL, Fixed(4)),
        field(ALL, Text),
        field(ALL, Text),
        field(ALL, Fixed(4)),
        field(ALL, ArrayOf(&Text)),
        field(from(1), Text),
        field(ALL, Text),
        field(ALL, Array(&[
            field(ALL, Fixed(16)),
            field(ALL, ArrayOf(&Fixed(4))),
        ])),
    ]),
    // ConsumerGroupDescribe
    shape(69, 0, &[
        field(ALL, ArrayOf(&Text)),
        field(ALL, Fixed(1)),
    ]),
    // GetTelemetrySubscriptions
    shape(71, 0, &[
        field(ALL, Fixed(16)),
    ]),
    // PushTelemetry
    shape(72, 0, &[
        field(ALL, Fixed(22)),
        field(ALL, Blob),
    ]),
    // ListConfigResources
    shape(74, 0, &[
        field(from(1), ArrayOf(&Fixed(1))),
    ]),
    // DescribeTopicPartitions
    shape(75, 0, &[
        field(ALL, Array(&[
            field(ALL, Text),
        ])),
        field(ALL, Fixed(4)),
        field(ALL, Optional(&[
            field(ALL, Text),
            field(ALL, Fixed(4)),
        ])),
    ]),
];
