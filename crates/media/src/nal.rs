//! NAL units: skeleton.
