//! A moving picture with the time in it: colour bars, a hand that turns and a ball that bounces (a skipped or late
//! picture is seen at once), the wall clock in large digits (a photograph of the screen shows the delay), the picture's
//! number, and the time once more as blocks a program can read back ([`read_time`], geometry in [`strip`]).
//!
//! Only what moves is drawn anew for each picture.

mod draw;
pub mod strip;

pub use strip::read_time;

use crate::{MediaError, Yuv420};
use draw::{Area, Colour, disc, fill, restore, text, text_size};

/// Colour bars at three quarters of full strength, in the order of SMPTE EG 1.
const BARS: [Colour; 7] = [
    Colour {
        y: 180,
        u: 128,
        v: 128,
    },
    Colour {
        y: 162,
        u: 44,
        v: 142,
    },
    Colour {
        y: 131,
        u: 156,
        v: 44,
    },
    Colour {
        y: 112,
        u: 72,
        v: 58,
    },
    Colour {
        y: 84,
        u: 184,
        v: 198,
    },
    Colour {
        y: 65,
        u: 100,
        v: 212,
    },
    Colour {
        y: 35,
        u: 212,
        v: 114,
    },
];
const BALL: Colour = Colour {
    y: 145,
    u: 54,
    v: 200,
};
const PANEL: Colour = Colour {
    y: 30,
    u: 138,
    v: 122,
};

/// Draws the test card.
#[derive(Debug, Clone)]
pub struct TestCard {
    background: Yuv420,
    picture: Yuv420,
    layout: Layout,
    moved: Vec<Area>,
}

/// Where things are, from the picture's size.
#[derive(Debug, Clone, Copy)]
struct Layout {
    /// The dark panel under the bars.
    panel: Area,
    /// The turning hand's dial: centre and radius.
    dial: (i32, i32),
    dial_radius: i32,
    /// The ball's lane, and the ball's radius.
    lane: Area,
    ball_radius: i32,
    clock: (i32, i32),
    clock_scale: i32,
    label: (i32, i32),
    label_scale: i32,
}

const CLOCK_EXAMPLE: &str = "00:00:00.000";

impl Layout {
    fn new(width: i32, height: i32) -> Layout {
        let panel_top = height * 2 / 5;
        let strip_top = height - (height / 20).max(1);
        let panel = Area {
            x: 0,
            y: panel_top,
            width,
            height: strip_top - panel_top,
        };
        let dial_radius = (panel.height * 2 / 5).min(width / 8);
        let dial = (
            width - dial_radius - width / 24,
            panel_top + panel.height / 2,
        );
        let left = width / 24;
        let text_width = dial.0 - dial_radius - 2 * left;
        let clock_scale =
            (text_width / (CLOCK_EXAMPLE.len() as i32 * 8)).clamp(1, (panel.height / 20).max(1));
        let label_scale = (clock_scale / 3).max(1);
        let clock = (left, panel_top + panel.height / 8);
        let label = (left, clock.1 + clock_scale * 9);
        let lane_top = label.1 + label_scale * 10;
        let lane = Area {
            x: left,
            y: lane_top,
            width: text_width,
            height: (strip_top - lane_top - 2).max(0),
        };
        let ball_radius = (height / 40).min(lane.height / 2).max(0);
        Layout {
            panel,
            dial,
            dial_radius,
            lane,
            ball_radius,
            clock,
            clock_scale,
            label,
            label_scale,
        }
    }
}

impl TestCard {
    /// A test card of one size. The time in it can be read by a program from about 192 pixels of width on, and by a
    /// person from about 320.
    pub fn new(width: u32, height: u32) -> Result<TestCard, MediaError> {
        let mut background = Yuv420::new(width, height)?;
        let layout = Layout::new(width as i32, height as i32);
        let bar_edge = |bar: usize| (bar * width as usize / BARS.len()) as i32;
        for (bar, colour) in BARS.into_iter().enumerate() {
            let x = bar_edge(bar);
            let area = Area {
                x,
                y: 0,
                width: bar_edge(bar + 1) - x,
                height: layout.panel.y,
            };
            fill(&mut background, area, colour);
        }
        fill(&mut background, layout.panel, PANEL);
        disc(
            &mut background,
            layout.dial,
            layout.dial_radius,
            Colour::grey(200),
        );
        disc(
            &mut background,
            layout.dial,
            layout.dial_radius * 15 / 16,
            Colour::grey(40),
        );
        Ok(TestCard {
            picture: background.clone(),
            background,
            layout,
            moved: Vec::new(),
        })
    }

    /// Draws picture number `index` with the wall clock at `wall_ms` since the Unix epoch.
    pub fn draw(&mut self, index: u64, wall_ms: i64) -> &Yuv420 {
        for area in std::mem::take(&mut self.moved) {
            restore(&mut self.picture, &self.background, area);
        }
        self.draw_hand(index);
        self.draw_ball(index);
        let layout = self.layout;
        self.write(
            &clock(wall_ms),
            layout.clock,
            layout.clock_scale,
            Colour::WHITE,
        );
        let label = format!("UTC  picture {index:06}");
        self.write(&label, layout.label, layout.label_scale, Colour::grey(180));
        strip::draw(&mut self.picture, wall_ms);
        &self.picture
    }

    fn write(&mut self, line: &str, at: (i32, i32), scale: i32, colour: Colour) {
        let (width, height) = text_size(line, scale);
        self.moved.push(Area {
            x: at.0,
            y: at.1,
            width,
            height,
        });
        text(&mut self.picture, line, at, scale, colour);
    }

    /// One turn in 100 pictures.
    fn draw_hand(&mut self, index: u64) {
        let Layout {
            dial, dial_radius, ..
        } = self.layout;
        let angle = (index % 100) as f64 / 100.0 * std::f64::consts::TAU;
        let thickness = (dial_radius / 14).max(1);
        let length = dial_radius * 13 / 16;
        for step in 0..=length {
            let x = dial.0 + (f64::from(step) * angle.sin()).round() as i32;
            let y = dial.1 - (f64::from(step) * angle.cos()).round() as i32;
            let area = Area {
                x: x - thickness / 2,
                y: y - thickness / 2,
                width: thickness,
                height: thickness,
            };
            fill(&mut self.picture, area, Colour::WHITE);
        }
        let reach = length + thickness;
        self.moved.push(Area {
            x: dial.0 - reach,
            y: dial.1 - reach,
            width: 2 * reach,
            height: 2 * reach,
        });
    }

    /// Across the lane and back in 150 pictures, bouncing.
    fn draw_ball(&mut self, index: u64) {
        let Layout {
            lane, ball_radius, ..
        } = self.layout;
        let phase = (index % 150) as f64 / 75.0;
        let across = if phase < 1.0 { phase } else { 2.0 - phase };
        let bounce = 1.0 - ((index % 30) as f64 / 15.0 - 1.0).powi(2);
        let room = (
            f64::from((lane.width - 2 * ball_radius).max(0)),
            f64::from((lane.height - 2 * ball_radius).max(0)),
        );
        let x = lane.x + ball_radius + (across * room.0).round() as i32;
        let y = lane.y + lane.height - ball_radius - (bounce * room.1).round() as i32;
        disc(&mut self.picture, (x, y), ball_radius, BALL);
        let size = 2 * ball_radius + 1;
        self.moved.push(Area {
            x: x - ball_radius,
            y: y - ball_radius,
            width: size,
            height: size,
        });
    }
}

/// `HH:MM:SS.mmm` in UTC.
fn clock(wall_ms: i64) -> String {
    let ms = wall_ms.rem_euclid(86_400_000);
    let (s, min, h) = (ms / 1000 % 60, ms / 60_000 % 60, ms / 3_600_000);
    format!("{h:02}:{min:02}:{s:02}.{:03}", ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_utc_with_milliseconds() {
        assert_eq!(clock(1_700_000_000_123), "22:13:20.123");
        assert_eq!(clock(-1), "23:59:59.999");
        assert_eq!(clock(0).len(), CLOCK_EXAMPLE.len());
    }

    #[test]
    fn the_time_is_read_back_from_a_fresh_picture() {
        for (width, height) in [(1280, 720), (640, 360), (192, 108), (321, 241)] {
            let mut card = TestCard::new(width, height).unwrap();
            for wall_ms in [0, 1, 1_700_000_000_123, (1 << 42) - 1] {
                assert_eq!(
                    read_time(card.draw(7, wall_ms)),
                    Some(wall_ms),
                    "{width}x{height}"
                );
            }
        }
    }

    #[test]
    fn a_strip_with_one_wrong_block_is_no_time() {
        let mut card = TestCard::new(480, 240).unwrap();
        for block in 0..48usize {
            let mut picture = card.draw(0, 1_700_000_000_123).clone();
            for row in 228..240 {
                for value in &mut picture.y[row * 480 + block * 10..][..10] {
                    *value = 251 - *value;
                }
            }
            assert_eq!(read_time(&picture), None);
        }
        assert_eq!(read_time(&Yuv420::new(480, 240).unwrap()), None);
    }

    #[test]
    fn every_size_is_drawn_and_only_what_moves_differs() {
        for (width, height) in [
            (1, 1),
            (2, 3),
            (16, 16),
            (47, 20),
            (100, 1),
            (1, 100),
            (1921, 1081),
        ] {
            let mut card = TestCard::new(width, height).unwrap();
            for index in 0..5 {
                let fresh = TestCard::new(width, height)
                    .unwrap()
                    .draw(index, 1234 + index as i64)
                    .clone();
                assert_eq!(
                    card.draw(index, 1234 + index as i64),
                    &fresh,
                    "{width}x{height} picture {index}"
                );
            }
        }
    }
}
