//! `parquet`: a row a record.
//!
//! Columns: `offset` int64, `partition` int32, `timestamp` (milliseconds, UTC), `key` and `value` binary, `headers` list<struct<key,
//! value>>, and those that members of JSON values have of their own ([`Columns`]). `date` and `hour` are in the folders' names.
//! Row groups are compressed with Snappy, as Spark writes and everybody reads them.

use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{
    Compression, ConvertedType, Encoding, LogicalType, Repetition, TimeUnit, Type as Physical,
};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{ColumnPath, Type, TypePtr};
use weir_client::Record;

use super::columns::{self, Column, Columns, Kind, Scalar};
use super::{EncodeError, Encoder};

/// What a record takes in memory beside its bytes, about.
const RECORD_BYTES: usize = 200;
/// Pages that the processor's cache holds while they are filled and compressed, and how many rows go by until a page's length is
/// looked at.
const PAGE_BYTES: usize = 128 << 10;
const BATCH_ROWS: usize = 128;

pub(super) struct Parquet {
    columns: Arc<Columns>,
    /// How many bytes of records a row group holds.
    group_bytes: usize,
    held: Vec<Record>,
    held_bytes: usize,
    file: Option<File>,
    failed: Option<ParquetError>,
    /// Bytes read and bytes written, of the groups there are.
    ratio: (u64, u64),
}

/// A file whose columns are settled.
struct File {
    writer: SerializedFileWriter<Vec<u8>>,
    columns: Vec<Column>,
}

impl Parquet {
    pub(super) fn new(columns: Arc<Columns>, group_bytes: usize) -> Self {
        Self {
            columns,
            group_bytes,
            held: Vec::new(),
            held_bytes: 0,
            file: None,
            failed: None,
            ratio: (3, 1),
        }
    }

    fn group(&mut self) {
        if let Err(error) = self.write_group() {
            self.failed = Some(error);
        }
        self.held.clear();
        self.held_bytes = 0;
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let records = std::mem::take(&mut self.held);
        if self.file.is_none() {
            let values = records.iter().map(|record| record.value.as_deref());
            let columns = self.columns.for_file(values);
            let schema = schema(&columns)?;
            self.file = Some(File {
                writer: SerializedFileWriter::new(Vec::new(), schema, properties(&columns).into())?,
                columns,
            });
        }
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let before = file.writer.bytes_written();
        let mut group = file.writer.next_row_group()?;
        write_records(&mut group, &records)?;
        write_members(&mut group, &file.columns, &records)?;
        group.close()?;
        self.ratio.0 += self.held_bytes as u64;
        self.ratio.1 += (file.writer.bytes_written() - before) as u64;
        Ok(())
    }
}

impl Encoder for Parquet {
    fn push(&mut self, record: &Record) {
        self.held_bytes += record.len_bytes() + RECORD_BYTES;
        self.held.push(record.clone());
        if self.held_bytes >= self.group_bytes {
            self.group();
        }
    }

    fn ready_bytes(&self) -> usize {
        self.file
            .as_ref()
            .map_or(0, |file| file.writer.inner().len())
    }

    fn held_bytes(&self) -> usize {
        self.held_bytes + self.ready_bytes()
    }

    fn will_be_bytes(&self) -> u64 {
        let (read, written) = self.ratio;
        self.held_bytes as u64 * written / read + self.ready_bytes() as u64
    }

    fn take(&mut self) -> Bytes {
        self.file
            .as_mut()
            .map(|file| Bytes::from(std::mem::take(file.writer.inner_mut())))
            .unwrap_or_default()
    }

    fn finish(&mut self) -> Result<Bytes, EncodeError> {
        if !self.held.is_empty() {
            self.group();
        }
        if let Some(file) = &mut self.file
            && self.failed.is_none()
        {
            self.failed = file.writer.finish().err();
        }
        match self.failed.take() {
            None => Ok(self.take()),
            Some(error) => Err(EncodeError(error.to_string())),
        }
    }

    fn columns(&self) -> &[Column] {
        self.file.as_ref().map_or(&[], |file| &file.columns)
    }
}

fn field(
    name: &str,
    physical: Physical,
    repetition: Repetition,
    logical: Option<LogicalType>,
) -> Result<TypePtr, ParquetError> {
    let built = Type::primitive_type_builder(name, physical)
        .with_repetition(repetition)
        .with_logical_type(logical)
        .build()?;
    Ok(Arc::new(built))
}

fn schema(columns: &[Column]) -> Result<TypePtr, ParquetError> {
    const REQUIRED: Repetition = Repetition::REQUIRED;
    const OPTIONAL: Repetition = Repetition::OPTIONAL;
    const REPEATED: Repetition = Repetition::REPEATED;
    let time = LogicalType::timestamp(true, TimeUnit::MILLIS);
    let header = Type::group_type_builder("element")
        .with_repetition(REQUIRED)
        .with_fields(vec![
            field(
                "key",
                Physical::BYTE_ARRAY,
                REQUIRED,
                Some(LogicalType::String),
            )?,
            field("value", Physical::BYTE_ARRAY, OPTIONAL, None)?,
        ])
        .build()?;
    let list = Type::group_type_builder("list")
        .with_repetition(REPEATED)
        .with_fields(vec![Arc::new(header)])
        .build()?;
    let headers = Type::group_type_builder("headers")
        .with_repetition(REQUIRED)
        .with_converted_type(ConvertedType::LIST)
        .with_logical_type(Some(LogicalType::List))
        .with_fields(vec![Arc::new(list)])
        .build()?;
    let mut fields = vec![
        field("offset", Physical::INT64, REQUIRED, None)?,
        field("partition", Physical::INT32, REQUIRED, None)?,
        field("timestamp", Physical::INT64, OPTIONAL, Some(time))?,
        field("key", Physical::BYTE_ARRAY, OPTIONAL, None)?,
        field("value", Physical::BYTE_ARRAY, OPTIONAL, None)?,
        Arc::new(headers),
    ];
    for column in columns {
        let (physical, logical) = match column.kind {
            Kind::Number => (Physical::DOUBLE, None),
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Flag => (Physical::BOOLEAN, None),
        };
        fields.push(field(&column.name, physical, OPTIONAL, logical)?);
    }
    let record = Type::group_type_builder("record")
        .with_fields(fields)
        .build()?;
    Ok(Arc::new(record))
}

fn properties(columns: &[Column]) -> WriterProperties {
    let path = |name: &str| ColumnPath::new(vec![name.to_owned()]);
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by("weir".to_owned())
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_write_batch_size(BATCH_ROWS)
        .set_data_page_size_limit(PAGE_BYTES);
    // One number follows another, or is the same all along.
    for name in ["offset", "partition", "timestamp"] {
        properties = properties
            .set_column_dictionary_enabled(path(name), false)
            .set_column_encoding(path(name), Encoding::DELTA_BINARY_PACKED);
    }
    // Nobody looks for a record by the least and the greatest of these, and they are long.
    properties = properties
        .set_column_dictionary_enabled(path("value"), false)
        .set_column_statistics_enabled(path("value"), EnabledStatistics::None)
        .set_column_statistics_enabled(path("key"), EnabledStatistics::None);
    for column in columns.iter().filter(|column| column.kind == Kind::Number) {
        properties = properties.set_column_dictionary_enabled(path(&column.name), false);
    }
    properties.build()
}

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

/// Writes the next column: its values, and for each place where there may be one whether (and, in lists, how deep) there is.
fn column<T: DataType>(
    group: &mut Group<'_>,
    values: &[T::T],
    there: Option<&[i16]>,
    repeated: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else {
        return Err(ParquetError::General(
            "there are more columns than the schema has".to_owned(),
        ));
    };
    column.typed::<T>().write_batch(values, there, repeated)?;
    column.close()
}

/// A column of what each record may have.
fn optional<T: DataType>(
    group: &mut Group<'_>,
    found: impl Iterator<Item = Option<T::T>>,
) -> Result<(), ParquetError> {
    let (mut values, mut there) = (Vec::new(), Vec::new());
    for found in found {
        there.push(i16::from(found.is_some()));
        values.extend(found);
    }
    column::<T>(group, &values, Some(&there), None)
}

fn array(bytes: &Bytes) -> ByteArray {
    ByteArray::from(bytes.clone())
}

fn write_records(group: &mut Group<'_>, records: &[Record]) -> Result<(), ParquetError> {
    let offsets: Vec<i64> = records.iter().map(|record| record.offset).collect();
    column::<Int64Type>(group, &offsets, None, None)?;
    let partitions: Vec<i32> = records.iter().map(|record| record.partition).collect();
    column::<Int32Type>(group, &partitions, None, None)?;
    let times = records.iter().map(|record| Some(record.timestamp?.0));
    optional::<Int64Type>(group, times)?;
    optional::<ByteArrayType>(
        group,
        records.iter().map(|record| record.key.as_ref().map(array)),
    )?;
    optional::<ByteArrayType>(
        group,
        records
            .iter()
            .map(|record| record.value.as_ref().map(array)),
    )?;
    // Dremel's levels (Parquet, "Nested encoding"): an empty list is 0; a header is 1, and 2 with a value; the first of a record
    // begins a list, those behind it go on with it.
    let (mut names, mut values) = (Vec::new(), Vec::new());
    let (mut named, mut valued, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        if record.headers.is_empty() {
            named.push(0);
            valued.push(0);
            repeated.push(0);
        }
        for (i, (name, value)) in record.headers.iter().enumerate() {
            names.push(ByteArray::from(name.as_str()));
            named.push(1);
            valued.push(1 + i16::from(value.is_some()));
            values.extend(value.as_ref().map(array));
            repeated.push(i16::from(i > 0));
        }
    }
    column::<ByteArrayType>(group, &names, Some(&named), Some(&repeated))?;
    column::<ByteArrayType>(group, &values, Some(&valued), Some(&repeated))
}

fn write_members(
    group: &mut Group<'_>,
    columns: &[Column],
    records: &[Record],
) -> Result<(), ParquetError> {
    if columns.is_empty() {
        return Ok(());
    }
    let mut cells: Vec<Vec<Scalar<'_>>> = columns
        .iter()
        .map(|_| Vec::with_capacity(records.len()))
        .collect();
    let mut row = Vec::new();
    for record in records {
        columns::row(columns, record, &mut row);
        for (cells, scalar) in cells.iter_mut().zip(row.drain(..)) {
            cells.push(scalar);
        }
    }
    for (column, cells) in columns.iter().zip(cells) {
        match column.kind {
            Kind::Number => optional::<DoubleType>(
                group,
                cells.into_iter().map(|cell| match cell {
                    Scalar::Number(number) => number,
                    _ => None,
                }),
            )?,
            Kind::Flag => optional::<BoolType>(
                group,
                cells.into_iter().map(|cell| match cell {
                    Scalar::Flag(flag) => Some(flag),
                    _ => None,
                }),
            )?,
            Kind::Text => optional::<ByteArrayType>(
                group,
                cells
                    .into_iter()
                    .zip(records)
                    .map(|(cell, record)| match cell {
                        Scalar::Text(text) => record
                            .value
                            .as_ref()
                            .map(|value| ByteArray::from(value.slice_ref(text.as_bytes()))),
                        Scalar::Unescaped(text) => Some(ByteArray::from(text.into_bytes())),
                        _ => None,
                    }),
            )?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor as _;

    use super::*;
    use crate::formats::tests::{encode, record};

    fn read(records: &[Record], group_bytes: usize) -> SerializedFileReader<Bytes> {
        let encoder = Parquet::new(Arc::default(), group_bytes);
        let bytes = encode(Box::new(encoder), records);
        SerializedFileReader::new(Bytes::from(bytes)).unwrap()
    }

    #[test]
    fn every_record_is_a_row_with_all_that_it_has() {
        let records = [
            Record {
                key: Some(Bytes::from_static(b"k")),
                headers: vec![
                    ("a".to_owned(), Some(Bytes::from_static(b"1"))),
                    ("b".to_owned(), None),
                ],
                ..record(3, br#"{"t": 21.5, "name": "x", "ok": true}"#)
            },
            record(4, br#"{"t": "none", "name": "line\nend"}"#),
            Record {
                timestamp: None,
                ..record(9, br#"{"t": 7, "name": "z", "ok": false}"#)
            },
        ];
        let file = read(&records[..1], 1 << 20);
        let row = file.get_row_iter(None).unwrap().next().unwrap().unwrap();
        assert_eq!(row.get_list(5).unwrap().len(), 2, "both headers");
        // The columns come from the first group: the second record is one of its own.
        let file = read(&records, 1);
        assert_eq!(file.metadata().num_row_groups(), 3);
        let rows: Vec<_> = file
            .get_row_iter(None)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let offsets: Vec<i64> = rows.iter().map(|row| row.get_long(0).unwrap()).collect();
        assert_eq!(offsets, [3, 4, 9]);
        assert_eq!(
            rows[0].get_bytes(4).unwrap().data(),
            &records[0].value.as_ref().unwrap()[..]
        );
        assert_eq!(rows[0].get_double(6).unwrap().to_bits(), 21.5_f64.to_bits());
        assert!(rows[1].get_double(6).is_err(), "a text is no number");
        assert_eq!(rows[1].get_string(7).unwrap(), "line\nend");
        assert!(!rows[2].get_bool(8).unwrap());
        assert!(rows[2].get_timestamp_millis(2).is_err(), "no time is null");
    }

    #[test]
    fn records_of_any_bytes_and_a_file_of_many_groups_are_read_back() {
        let records: Vec<Record> = (0..5000)
            .map(|offset| Record {
                value: (offset % 7 > 0)
                    .then(|| Bytes::from(vec![u8::try_from(offset % 256).unwrap(); 50])),
                ..record(offset, b"")
            })
            .collect();
        let file = read(&records, 100_000);
        assert!(file.metadata().num_row_groups() > 5);
        let read: Vec<i64> = file
            .get_row_iter(None)
            .unwrap()
            .map(|row| row.unwrap().get_long(0).unwrap())
            .collect();
        assert_eq!(read, (0..5000).collect::<Vec<_>>());
    }
}
