//! What publishes: files, the test card, sensors, lines.
