//! Which members of JSON values have a column of their own, and what a value has in them.
//!
//! The rule: if every value among the first [`SAMPLE`] records of a file is a JSON object, each of its members that at least half of
//! them have, always as a number, always as a text or always as `true` or `false` (or `null`), has a column. Numbers are doubles,
//! as JSON has them; a whole number beyond 2^53, which no double holds, is null there. So is a value of another type than the column's,
//! a list or an object: `value` has it.
//!
//! What is once a column of a topic's archive stays one, with its type, in every file of every partition from then on: readers
//! take many files for one table. Members that come later are added. A small file in the store, made anew for each such
//! change, says which columns there are, so that several processes agree ([`Columns::settle`]).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use weir_client::Record;

use crate::store::{Store, StoreError};

/// Records that are looked at.
pub(super) const SAMPLE: usize = 1000;
/// Columns of members at most.
const MOST: usize = 100;
/// A member's name is this long at most.
const NAME_BYTES: usize = 100;
/// Names that the record's own columns have, and the folders of its time.
const TAKEN: [&str; 8] = [
    "offset",
    "partition",
    "timestamp",
    "key",
    "value",
    "headers",
    "date",
    "hour",
];
/// The first whole number that no double holds is one more.
const EXACT: u64 = 1 << 53;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A double.
    Number,
    /// UTF-8.
    Text,
    /// True or false.
    Flag,
}

/// A column of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Column {
    /// The member's name.
    pub(crate) member: String,
    /// The column's.
    pub(crate) name: String,
    /// What it holds.
    pub(crate) kind: Kind,
}

/// The columns of a topic's archive, as far as this process knows.
#[derive(Debug, Default)]
pub(crate) struct Columns(Mutex<Known>);

#[derive(Debug, Default, Clone)]
struct Known {
    columns: Vec<Column>,
    /// How many of them are in the store's newest list, and its number.
    stored: usize,
    version: u64,
}

impl Columns {
    /// The columns for a file that begins with these values: all there are, and those that they add.
    pub(super) fn for_file<'a>(
        &self,
        values: impl Iterator<Item = Option<&'a [u8]>>,
    ) -> Vec<Column> {
        let mut known = self.lock();
        for (member, kind) in observe(values) {
            let is_known = known.columns.iter().any(|column| column.member == member);
            if !is_known
                && known.columns.len() < MOST
                && let Some(column) = free_name(&member, &known.columns)
            {
                known.columns.push(Column {
                    member,
                    name: column,
                    kind,
                });
            }
        }
        known.columns.clone()
    }

    /// Learns what the store's newest list has, in place of what this process believed.
    pub(crate) async fn load(&self, store: &dyn Store, folder: &str) -> Result<(), StoreError> {
        let newest = store
            .list(folder)
            .await?
            .iter()
            .filter_map(|entry| entry.name.strip_suffix(".json")?.parse::<u64>().ok())
            .max();
        let Some(version) = newest else {
            return Ok(());
        };
        if version <= self.lock().version {
            return Ok(());
        }
        let path = list_name(folder, version);
        let columns = store
            .read(&path)
            .await?
            .and_then(|content| serde_json::from_slice::<Vec<Column>>(&content).ok())
            .ok_or_else(|| {
                StoreError::Remedy(format!(
                    "{} is no list of columns: it has been changed by hand; restore it, or archive to another folder",
                    store.url(&path)
                ))
            })?;
        let mut known = self.lock();
        // What was believed and is not stored is believed no more: files that have it are not claimed.
        *known = Known {
            stored: columns.len(),
            columns,
            version,
        };
        Ok(())
    }

    /// Makes the columns of a finished file everybody's. `false`: others have settled on something else meanwhile, so the file must
    /// not be claimed.
    pub(crate) async fn settle(
        &self,
        store: &dyn Store,
        folder: &str,
        used: &[Column],
    ) -> Result<bool, StoreError> {
        loop {
            let known = self.lock().clone();
            if !used.iter().all(|column| known.columns.contains(column)) {
                return Ok(false);
            }
            let stored = known.columns.get(..known.stored).unwrap_or_default();
            if used.iter().all(|column| stored.contains(column)) {
                return Ok(true);
            }
            let version = known.version + 1;
            let list = serde_json::to_vec(&known.columns).unwrap_or_default();
            let made = store
                .create(&list_name(folder, version), Bytes::from(list))
                .await?;
            if made {
                let mut now = self.lock();
                if now.version < version {
                    now.version = version;
                    now.stored = known.columns.len();
                }
            } else {
                self.load(store, folder).await?;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn list_name(folder: &str, version: u64) -> String {
    format!("{folder}/{version:08}.json")
}

/// A column's name that no other column has, in whatever letters: Spark and SQL do not tell `A` from `a`.
fn free_name(member: &str, columns: &[Column]) -> Option<String> {
    let fits = (1..=NAME_BYTES).contains(&member.len())
        && !member
            .chars()
            .any(|char| char.is_control() || " ,;{}()=.`\"'".contains(char));
    let is_free = |name: &str| {
        !TAKEN.iter().any(|taken| taken.eq_ignore_ascii_case(name))
            && !columns
                .iter()
                .any(|column| column.name.to_lowercase() == name.to_lowercase())
    };
    [member.to_owned(), format!("value_{member}")]
        .into_iter()
        .find(|name| fits && is_free(name))
}

/// The members that have a column by the rule, in the order in which they are met.
fn observe<'a>(values: impl Iterator<Item = Option<&'a [u8]>>) -> Vec<(String, Kind)> {
    struct Seen {
        order: usize,
        times: usize,
        kind: Option<Kind>,
        mixed: bool,
    }
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    let mut records = 0;
    for value in values.take(SAMPLE) {
        let members = value.and_then(|value| serde_json::from_slice::<AllMembers>(value).ok());
        let Some(AllMembers(members)) = members else {
            return Vec::new();
        };
        records += 1;
        for (name, found) in members {
            let order = seen.len();
            // A topic whose every record has other names has no shape; nobody counts them all.
            if order >= MOST * 10 && !seen.contains_key(&name) {
                continue;
            }
            let member = seen.entry(name).or_insert(Seen {
                order,
                times: 0,
                kind: None,
                mixed: false,
            });
            member.times += 1;
            match found {
                Found::Null => {}
                Found::Other => member.mixed = true,
                Found::Is(kind) => {
                    member.mixed |= member.kind.is_some_and(|known| known != kind);
                    member.kind = Some(kind);
                }
            }
        }
    }
    let mut members: Vec<_> = seen
        .into_iter()
        .filter(|(_, seen)| !seen.mixed && seen.times * 2 >= records)
        .filter_map(|(name, seen)| Some((seen.order, name, seen.kind?)))
        .collect();
    members.sort_unstable_by_key(|(order, ..)| *order);
    members
        .into_iter()
        .map(|(_, name, kind)| (name, kind))
        .collect()
}

/// What a member is.
enum Found {
    Null,
    Is(Kind),
    Other,
}

/// A JSON object's members, without their values.
struct AllMembers(Vec<(String, Found)>);

impl<'de> Deserialize<'de> for AllMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = AllMembers;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AllMembers, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let found = match map.next_value_seed(AScalar)? {
                        Scalar::Null => Found::Null,
                        Scalar::Number(_) => Found::Is(Kind::Number),
                        Scalar::Text(_) | Scalar::Unescaped(_) => Found::Is(Kind::Text),
                        Scalar::Flag(_) => Found::Is(Kind::Flag),
                        Scalar::Other => Found::Other,
                    };
                    members.push((name, found));
                }
                Ok(AllMembers(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A member's value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar<'de> {
    Null,
    /// `None` is a whole number that no double holds.
    Number(Option<f64>),
    /// As it stands in the JSON.
    Text(&'de str),
    /// What had escapes in it.
    Unescaped(String),
    Flag(bool),
    /// A list or an object.
    Other,
}

struct AScalar;

impl<'de> DeserializeSeed<'de> for AScalar {
    type Value = Scalar<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AScalar {
    type Value = Scalar<'de>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Number((number <= EXACT).then_some(number as f64)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Scalar<'de>, E> {
        let exact = number.unsigned_abs() <= EXACT;
        Ok(Scalar::Number(exact.then_some(number as f64)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Number(Some(number)))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Unescaped(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

/// What a value has in each of `columns`; all null where it is no JSON object.
pub(super) fn row<'de>(columns: &[Column], record: &'de Record, row: &mut Vec<Scalar<'de>>) {
    row.clear();
    row.resize(columns.len(), Scalar::Null);
    if columns.is_empty() {
        return;
    }
    let Some(value) = record.value.as_deref() else {
        return;
    };
    let mut json = serde_json::Deserializer::from_slice(value);
    let read = Row {
        columns,
        row: &mut *row,
    }
    .deserialize(&mut json)
    .and_then(|()| json.end());
    if read.is_err() {
        row.fill(Scalar::Null);
    }
}

struct Row<'r, 'de> {
    columns: &'r [Column],
    row: &'r mut Vec<Scalar<'de>>,
}

impl<'de> DeserializeSeed<'de> for Row<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // Members mostly come in the order of the columns.
        let mut expected = 0;
        while let Some(found) = map.next_key_seed(AColumn {
            columns: self.columns,
            expected,
        })? {
            let Some(at) = found else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            expected = at + 1;
            let scalar = map.next_value_seed(AScalar)?;
            let kind = self.columns.get(at).map(|column| column.kind);
            let fits = matches!(
                (&scalar, kind),
                (Scalar::Number(_), Some(Kind::Number))
                    | (Scalar::Text(_) | Scalar::Unescaped(_), Some(Kind::Text))
                    | (Scalar::Flag(_), Some(Kind::Flag))
            );
            if let Some(place) = self.row.get_mut(at) {
                *place = if fits { scalar } else { Scalar::Null };
            }
        }
        Ok(())
    }
}

/// A member's name, as the number of its column.
struct AColumn<'r> {
    columns: &'r [Column],
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for AColumn<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for AColumn<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<usize>, E> {
        let is = |column: &Column| column.member == name;
        if self.columns.get(self.expected).is_some_and(is) {
            return Ok(Some(self.expected));
        }
        Ok(self.columns.iter().position(is))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::formats::tests::record;
    use crate::store::memory::World;

    fn observed(values: &[&str]) -> Vec<(String, Kind)> {
        observe(values.iter().map(|value| Some(value.as_bytes())))
    }

    fn names(columns: &[Column]) -> Vec<&str> {
        columns.iter().map(|column| &*column.name).collect()
    }

    fn columns_of(columns: &Columns, value: &str) -> Vec<Column> {
        columns.for_file([Some(value.as_bytes())].into_iter())
    }

    #[test]
    fn a_number_is_the_double_that_the_json_says_and_not_one_beside_it() {
        let columns = columns_of(&Columns::default(), r#"{"n": 1.5}"#);
        for text in ["-0.40000000000000036", "0.1", "9007199254740.993", "1e-320"] {
            let value = format!(r#"{{"n": {text}}}"#);
            let record = record(0, value.as_bytes());
            let mut cells = Vec::new();
            row(&columns, &record, &mut cells);
            let double: f64 = text.parse().unwrap();
            assert_eq!(cells, [Scalar::Number(Some(double))], "{text}");
        }
    }

    #[test]
    fn members_that_half_of_the_values_have_always_of_one_type_have_a_column() {
        let kinds = observed(&[
            r#"{"z": 1, "name": "a", "ok": true, "mixed": 1, "list": [1], "rare": 1, "late": null}"#,
            r#"{"z": 2.5, "name": "b", "ok": false, "mixed": "1", "list": [2], "late": 3}"#,
            r#"{"z": null, "name": "c", "late": 4, "never": null}"#,
        ]);
        let want = [
            ("z", Kind::Number),
            ("name", Kind::Text),
            ("ok", Kind::Flag),
            ("late", Kind::Number),
        ];
        assert_eq!(kinds, want.map(|(name, kind)| (name.to_owned(), kind)));
    }

    #[test]
    fn values_that_are_not_all_objects_have_no_columns() {
        for other in ["3", "text", "", "[1]", "{\"a\":1} {\"a\":1}"] {
            assert_eq!(observed(&[r#"{"a":1}"#, other]), [], "{other}");
        }
        let deleted = [Some(&b"{\"a\":1}"[..]), None];
        assert_eq!(observe(deleted.into_iter()), []);
    }

    #[test]
    fn a_name_that_is_taken_gets_value_in_front_and_one_no_reader_likes_none() {
        let columns = Columns::default();
        let made = columns_of(
            &columns,
            r#"{"timestamp": 1, "Hour": 1, "a": 1, "A": 1, "value_a": 1, "x y": 1, "": 1, "p.q": 1}"#,
        );
        assert_eq!(
            names(&made),
            [
                "value_timestamp",
                "value_Hour",
                "a",
                "value_A",
                "value_value_a"
            ]
        );
    }

    #[test]
    fn no_topic_has_more_columns_than_anybody_can_use() {
        let object: BTreeMap<String, u32> = (0..5000).map(|i| (format!("m{i}"), i)).collect();
        let value = serde_json::to_string(&object).unwrap();
        assert_eq!(columns_of(&Columns::default(), &value).len(), MOST);
    }

    #[test]
    fn a_row_has_what_fits_its_columns_and_null_for_the_rest() {
        let columns = columns_of(&Columns::default(), r#"{"n": 1, "s": "x", "b": true}"#);
        for (value, want) in [
            (
                r#"{"b": false, "s": "y", "n": -2, "more": [1, {"n": 9}]}"#,
                [
                    Scalar::Number(Some(-2.0)),
                    Scalar::Text("y"),
                    Scalar::Flag(false),
                ],
            ),
            (
                r#"{"n": "1", "s": "a\nb", "b": null}"#,
                [
                    Scalar::Null,
                    Scalar::Unescaped("a\nb".to_owned()),
                    Scalar::Null,
                ],
            ),
            (
                r#"{"n": 9007199254740993, "s": {"s": "x"}}"#,
                [Scalar::Number(None), Scalar::Null, Scalar::Null],
            ),
            (
                r#"{"n": 1, "n": 2}"#,
                [Scalar::Number(Some(2.0)), Scalar::Null, Scalar::Null],
            ),
            (r#"{"n": 1, "#, [Scalar::Null, Scalar::Null, Scalar::Null]),
            ("[]", [Scalar::Null, Scalar::Null, Scalar::Null]),
        ] {
            let record = record(0, value.as_bytes());
            let mut found = Vec::new();
            row(&columns, &record, &mut found);
            assert_eq!(found, want, "{value}");
        }
    }

    #[tokio::test]
    async fn processes_settle_on_the_same_columns_and_a_file_with_others_is_not_claimed() {
        let store = World::default().store([]);
        let (here, there) = (Arc::new(Columns::default()), Columns::default());
        let ours = columns_of(&here, r#"{"a": 1, "b": 1}"#);
        let theirs = columns_of(&there, r#"{"a": "x", "c": 1}"#);
        assert!(here.settle(&store, "c", &ours).await.unwrap());
        assert!(!there.settle(&store, "c", &theirs).await.unwrap());
        // On the next attempt they know better.
        let theirs = columns_of(&there, r#"{"a": "x", "c": 1}"#);
        assert_eq!(names(&theirs), ["a", "b", "c"]);
        assert_eq!(theirs[0].kind, Kind::Number);
        assert!(there.settle(&store, "c", &theirs).await.unwrap());
        // What one adds the other takes over when it adds something, or begins anew.
        here.load(&store, "c").await.unwrap();
        let ours = columns_of(&here, r#"{"d": true}"#);
        assert_eq!(names(&ours), ["a", "b", "c", "d"]);
    }
}
