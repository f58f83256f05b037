//! What this server counts, as Prometheus text: one table makes the figures, their names and their help texts.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::routes;

/// One figure.
#[derive(Debug, Default)]
pub struct Figure(AtomicU64);

impl Figure {
    /// Adds to it.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Takes from it.
    pub fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    /// Sets it.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Makes the struct of figures and the table that describes them from one list.
macro_rules! figures {
    ($($field:ident $kind:ident $name:literal $help:literal)*) => {
        /// The figures of one server.
        #[derive(Debug)]
        pub struct Metrics {
            $(#[doc = $help] pub $field: Figure,)*
            /// Requests, in the order of [`routes::TABLE`]; the last is for what no route took.
            pub requests: Vec<Figure>,
        }

        impl Default for Metrics {
            fn default() -> Self {
                Self {
                    $($field: Figure::default(),)*
                    requests: (0..=routes::TABLE.len()).map(|_| Figure::default()).collect(),
                }
            }
        }

        impl Metrics {
            /// Name, kind, help and value of each figure.
            pub fn table(&self) -> Vec<(&'static str, &'static str, &'static str, u64)> {
                vec![$(($name, stringify!($kind), $help, self.$field.get()),)*]
            }
        }
    };
}

figures! {
    connections gauge "weir_web_connections" "Connections open at this moment, those gone over to WebSocket too."
    refused_connections counter "weir_web_connections_refused_total" "Connections closed at once because all places were taken."
    viewers gauge "weir_web_viewers" "Viewers of live pictures at this moment."
    pictures counter "weir_web_pictures_total" "Pictures handed to the fan-out, each once a topic and form."
    pictures_skipped counter "weir_web_pictures_skipped_total" "Pictures that viewers missed because they were too slow, summed over viewers."
    sent_bytes counter "weir_web_sent_bytes_total" "Bytes of pictures, records and series handed to viewers' sockets."
    transcoded counter "weir_web_transcoded_total" "Pictures decoded and encoded as JPEG."
    ingest_limited counter "weir_web_ingest_limited_total" "Posts to /ingest refused because a sender, or all together, posted too often."
    kafka_connected gauge "weir_web_kafka_connected" "1 while Kafka answers, else 0."
    topics gauge "weir_web_topics" "Topics seen at the last look."
}

impl Metrics {
    /// Everything in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (name, kind, help, value) in self.table() {
            let _ = writeln!(
                out,
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
            );
        }
        let name = "weir_web_requests_total";
        let _ = writeln!(
            out,
            "# HELP {name} Requests by route.\n# TYPE {name} counter"
        );
        let routes = routes::TABLE.iter().map(|route| route.path);
        for (path, count) in routes.chain(["other"]).zip(&self.requests) {
            let _ = writeln!(out, "{name}{{route=\"{path}\"}} {}", count.get());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_help_kind_and_value_and_every_route_a_line() {
        let metrics = Metrics::default();
        metrics.viewers.add(3);
        metrics.viewers.sub(1);
        let text = metrics.text();
        assert!(text.contains("# TYPE weir_web_viewers gauge\nweir_web_viewers 2\n"));
        for route in routes::TABLE {
            assert!(text.contains(&format!("{{route=\"{}\"}} 0", route.path)));
        }
        for (name, _, help, _) in metrics.table() {
            assert!(text.contains(&format!("# HELP {name} {help}\n")));
        }
    }
}
