// SPDX-License-Identifier: Apache-2.0
#include "prepare/decode/outlines.hpp"

#include "base/log.hpp"
#include "base/read_file.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"
#include "harmofl/base/text.hpp"

#include <pugixml.hpp>

#include <algorithm>
#include <cmath>
#include <span>

namespace harmofl::prepare {
namespace {

constexpr std::size_t max_xml_bytes = std::size_t{32} << 20;  ///< The parser takes 8 times as much.
/// All outlines together may span so many times the image, which bounds the time to fill them.
constexpr std::int64_t max_spans = 64;
constexpr std::int64_t steps_always_taken = std::int64_t{1} << 24;

[[noreturn]] void refuse_xml(const std::filesystem::path& path, const std::string& why) {
  throw UserError(concat(path.string(), ": cannot be read as outlines: ", why,
                         ". Give it as ImageScope writes it."));
}

std::string read_xml(const std::filesystem::path& path) {
  std::string text;
  read_file(path, [&](std::span<const std::byte> part) {
    if (text.size() + part.size() > max_xml_bytes) {
      refuse_xml(path, concat("it has more than ", max_xml_bytes, " bytes"));
    }
    text.append(reinterpret_cast<const char*>(part.data()), part.size());
  });
  return text;
}

/// A coordinate in 1/1024 of a pixel, rounded to the nearest.
std::int64_t coordinate(const std::filesystem::path& path, const pugi::xml_node& vertex,
                        const char* axis) {
  const char* text = vertex.attribute(axis).value();
  const auto number = parse_number(text);
  if (!number || !(std::abs(*number) <= static_cast<double>(max_coordinate))) {
    refuse_xml(path, concat("'", printable(text), "' is not a coordinate ", axis,
                            ": expected a number of at most ", max_coordinate, " pixels"));
  }
  return std::llround(*number * static_cast<double>(subpixels));
}

Outline read_region(const std::filesystem::path& path, const pugi::xml_node& region,
                    const std::string& name) {
  const std::string negative = region.attribute("NegativeROA").value();
  if (!negative.empty() && negative != "0") {
    refuse_xml(path, "a region is to be cut out (NegativeROA), which is not supported");
  }
  Outline outline{name, {}};
  for (const pugi::xml_node& vertices : region.children("Vertices")) {
    for (const pugi::xml_node& vertex : vertices.children("Vertex")) {
      outline.corners.push_back({coordinate(path, vertex, "X"), coordinate(path, vertex, "Y")});
    }
  }
  return outline;
}

/// What an annotation outlines: the name of its first attribute, or of itself.
std::string annotation_name(const std::filesystem::path& path, const pugi::xml_node& annotation) {
  std::string name = annotation.child("Attributes").child("Attribute").attribute("Name").value();
  if (name.empty()) name = annotation.attribute("Name").value();
  if (!is_printable(name)) {
    refuse_xml(path, concat("the name '", printable(name), "' is not UTF-8 without control ",
                            "characters"));
  }
  return name;
}

/// The class of an outline, 0 for one that is left out.
int class_of(const std::filesystem::path& path, const Outline& outline, const MaskRule& rule) {
  if (rule.classes.empty()) return 1;
  const auto found = rule.classes.find(outline.name);
  if (found != rule.classes.end()) return found->second;
  std::vector<std::string> known;
  for (const auto& [name, number] : rule.classes) known.push_back(name);
  throw UserError(concat(path.string(), ": outlines something named '", outline.name,
                         "', which --mask-values does not name (", join(known), ")",
                         suggestion(outline.name, known),
                         ". Add it, with 0 to leave such regions out."));
}

}  // namespace

bool is_outlines(const std::filesystem::path& path) {
  const std::string ending = path.extension().string();
  return ending == ".xml" || ending == ".XML";
}

std::vector<Outline> read_outlines(const std::filesystem::path& path) {
  const std::string text = read_xml(path);
  pugi::xml_document document;
  const pugi::xml_parse_result parsed =
      document.load_buffer(text.data(), text.size(), pugi::parse_default | pugi::parse_doctype);
  if (!parsed) {
    refuse_xml(path, concat(parsed.description(), " (byte ", parsed.offset, ")"));
  }
  for (const pugi::xml_node& node : document.children()) {
    if (node.type() == pugi::node_doctype) refuse_xml(path, "it has a DOCTYPE");
  }
  const pugi::xml_node root = document.child("Annotations");
  if (!root) refuse_xml(path, "there is no element Annotations");
  std::vector<Outline> outlines;
  for (const pugi::xml_node& annotation : root.children("Annotation")) {
    const std::string name = annotation_name(path, annotation);
    for (const pugi::xml_node& regions : annotation.children("Regions")) {
      for (const pugi::xml_node& region : regions.children("Region")) {
        outlines.push_back(read_region(path, region, name));
      }
    }
  }
  return outlines;
}

void draw_outlines(const std::filesystem::path& path, Size size, const MaskRule& rule,
                   const std::function<void(const Run& run)>& paint) {
  HARMOFL_VALIDATE(!rule.threshold, path.string(), ": --mask-threshold is for masks that are ",
                   "images, this one is outlines. Leave it out.");
  const std::vector<Outline> outlines = read_outlines(path);
  const std::int64_t most = max_spans * size.height * size.width + steps_always_taken;
  std::int64_t steps = 0;
  std::size_t empty = 0;
  for (std::size_t i = 0; i < outlines.size(); ++i) {
    const int number = class_of(path, outlines[i], rule);
    steps += fill_steps(outlines[i].corners, size);
    if (steps > most) {
      refuse_xml(path, concat("its outlines together span more than ", max_spans, " times the ",
                              to_string(size), " pixels of the image"));
    }
    bool covers = false;
    fill_polygon(outlines[i].corners, size,
                 [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
                   covers = true;
                   if (number != 0) paint({i + 1, number, row, begin, end});
                 });
    if (!covers) ++empty;
  }
  if (empty > 0) {
    log::info(concat(path.string(), ": ", empty, " of ", outlines.size(),
                     " outlines cover no pixel and leave none in the mask"));
  }
}

Image read_outline_mask(const std::filesystem::path& path, Size size, const MaskRule& rule) {
  Image mask{1, size,
             std::vector<std::uint8_t>(static_cast<std::size_t>(size.height * size.width))};
  draw_outlines(path, size, rule, [&](const Run& run) {
    std::uint8_t* line = mask.values.data() + run.row * size.width;
    std::fill(line + run.begin, line + run.end, static_cast<std::uint8_t>(run.class_number));
  });
  return mask;
}

}  // namespace harmofl::prepare
