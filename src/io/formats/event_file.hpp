// SPDX-License-Identifier: Apache-2.0
/// TensorBoard's event files: records with checksums (TFRecord), each a message `Event` of
/// tensorflow/core/util/event.proto. What is appended whole can be read at any moment.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl {

/// A number of a step.
struct EventScalar {
  std::string tag;     ///< UTF-8; TensorBoard groups by what stands before the first '/'.
  double value = 0.0;  ///< Kept as float32.
};

/// A picture of a step.
struct EventImage {
  std::string tag;
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::string png;  ///< A whole PNG file, in colour.
};

/// A text of a step.
struct EventText {
  std::string tag;
  std::string markdown;
};

/// All that is said of one step.
struct EventValues {
  std::vector<EventScalar> scalars = {};
  std::vector<EventImage> images = {};
  std::vector<EventText> texts = {};
};

// Of all of these the result is a record, to be appended to the file. `time_s` is in seconds since
// 1970.

/// What a file begins with.
std::string first_event(double time_s);

/// Says that the program began (again) at `step`: what earlier files hold of that step and later
/// ones does not count any more.
std::string start_event(double time_s, std::int64_t step);

/// What is said of `step`.
std::string values_event(double time_s, std::int64_t step, const EventValues& values);

/// A record of these bytes: length, its checksum, the bytes, their checksum.
std::string event_record(std::string_view bytes);

/// A name for a new event file, behind all of `existing` in alphabetical order, in which readers
/// take them. `time_s` as above; `host` and `process` tell apart files of other programs.
std::string event_file_name(std::int64_t time_s, const std::string& host, std::int64_t process,
                            const std::vector<std::string>& existing);

}  // namespace harmofl
