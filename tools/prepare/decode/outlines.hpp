// SPDX-License-Identifier: Apache-2.0
/// Outlines of nuclei, as Aperio ImageScope writes them in XML.
///
/// Annotations / Annotation / Regions / Region / Vertices / Vertex with X and Y in pixels of the
/// image; Annotation / Attributes / Attribute with the Name of what is outlined (MoNuSAC), which
/// may be missing (MoNuSeg). Everything else is left aside.
#pragma once

#include "prepare/pixels/image.hpp"
#include "prepare/pixels/mask_rule.hpp"
#include "prepare/pixels/polygon.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace harmofl::prepare {

/// One region.
struct Outline {
  std::string name;  ///< Of what is outlined, "" when the file does not say.
  std::vector<Corner> corners;
};

/// Whether a file is named as outlines.
bool is_outlines(const std::filesystem::path& path);

/// Reads the outlines of a file in their order. Throws UserError for what is not such a file, for a
/// DOCTYPE (entities are never followed), for coordinates that are not finite or far away, for a
/// region that is to be cut out (NegativeROA), and for a file of more than 32 MiB.
std::vector<Outline> read_outlines(const std::filesystem::path& path);

/// Columns of a row that an outline covers.
struct Run {
  std::size_t number;  ///< Of the outline in its file, from 1.
  int class_number;    ///< Not 0.
  std::int64_t row, begin, end;
};

/// Fills the outlines of a file on an image of `size`, in their order, and calls `paint` for every
/// run of those that are not left out. Throws UserError as `read_outline_mask` does.
void draw_outlines(const std::filesystem::path& path, Size size, const MaskRule& rule,
                   const std::function<void(const Run& run)>& paint);

/// Reads the outlines of a file as a mask of `size`. By `rule`: without classes all outlines are 1;
/// with classes each is what its name says, where 0 is left out, and a name that they do not hold
/// is an error. Where outlines overlap the last one in the file holds. A region that covers no
/// pixel's centre, as one without vertices, is counted and said. Throws UserError as
/// `read_outlines` does, and when the outlines span far more than the image can hold.
Image read_outline_mask(const std::filesystem::path& path, Size size, const MaskRule& rule);

}  // namespace harmofl::prepare
