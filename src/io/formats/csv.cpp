// SPDX-License-Identifier: Apache-2.0
#include "io/formats/csv.hpp"

#include "base/read_file.hpp"
#include "harmofl/base/error.hpp"

#include <algorithm>
#include <set>

namespace harmofl {
namespace {

/// Takes records off the front of a text and counts its lines.
class Parser {
 public:
  Parser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  bool done() const { return position_ >= text_.size(); }
  int line() const { return line_; }

  /// The next record, of which the line end is skipped too.
  std::vector<std::string> record() {
    std::vector<std::string> fields;
    do {
      fields.push_back(field());
    } while (accept(','));
    accept('\r');
    HARMOFL_VALIDATE(done() || accept('\n'), name_, ":", line_,
                     ": expected a comma or the end of the line after a quoted field.");
    ++line_;
    return fields;
  }

 private:
  /// Skips the next character if it is the wanted one; whether it was.
  bool accept(char wanted) {
    if (done() || text_[position_] != wanted) return false;
    ++position_;
    return true;
  }

  std::string field() {
    if (accept('"')) return quoted();
    const std::size_t end = std::min(text_.find_first_of(",\r\n", position_), text_.size());
    const std::string value(text_.substr(position_, end - position_));
    position_ = end;
    return value;
  }

  std::string quoted() {
    std::string value;
    const int start = line_;
    while (true) {
      HARMOFL_VALIDATE(!done(), name_, ":", start, ": the quote is never closed.");
      if (accept('"')) {
        if (!accept('"')) return value;
        value += '"';
        continue;
      }
      if (text_[position_] == '\n') ++line_;
      value += text_[position_++];
    }
  }

  std::string_view text_;
  const std::string& name_;
  std::size_t position_ = 0;
  int line_ = 1;
};

std::vector<std::string> header_of(Parser& parser, const std::string& name) {
  HARMOFL_VALIDATE(!parser.done(), name, ": the list is empty. Its first line names the columns.");
  std::vector<std::string> columns = parser.record();
  std::set<std::string_view> seen;
  for (const std::string& column : columns) {
    HARMOFL_VALIDATE(seen.insert(column).second || column.empty(), name, ":1: the column '", column,
                     "' stands there twice. Remove one of them.");
  }
  return columns;
}

}  // namespace

bool CsvTable::has(std::string_view column) const {
  return std::find(columns.begin(), columns.end(), column) != columns.end();
}

void take_csv_rows(std::string_view text, const std::string& name, const CsvRowTaker& take) {
  Parser parser(text, name);
  const std::vector<std::string> columns = header_of(parser, name);
  while (!parser.done()) {
    const int line = parser.line();
    const std::vector<std::string> fields = parser.record();
    if (fields.size() == 1 && fields[0].empty()) continue;  // an empty line
    HARMOFL_VALIDATE(fields.size() == columns.size(), name, ":", line, ": expected ",
                     columns.size(), " fields as in the header, found ", fields.size(), ".");
    take(columns, fields, line);
  }
}

CsvTable parse_csv(std::string_view text, const std::string& name) {
  CsvTable table;
  Parser header(text, name);
  table.columns = header_of(header, name);
  take_csv_rows(text, name, [&](const auto& columns, const auto& fields, int line) {
    table.lines.push_back(line);
    auto& row = table.rows.emplace_back();
    for (std::size_t i = 0; i < fields.size(); ++i) row[columns[i]] = fields[i];
  });
  return table;
}

CsvTable read_csv(const std::filesystem::path& path) {
  return parse_csv(read_text_file(path), path.string());
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace harmofl
