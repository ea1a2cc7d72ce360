// SPDX-License-Identifier: Apache-2.0
#include "fl/record/sample_rows.hpp"

#include "harmofl/base/error.hpp"
#include "io/formats/csv.hpp"

namespace harmofl {
namespace {

std::string csv_line(const std::vector<std::string>& fields) {
  std::vector<std::string> quoted;
  for (const std::string& field : fields) quoted.push_back(csv_field(field));
  return join(quoted, ",") + "\n";
}

}  // namespace

std::vector<std::string> sample_ids(const Member& member, Split split, ShardPool& shards) {
  std::vector<std::string> ids;
  for (const SampleRef& sample : member.part.split(split)) {
    ids.push_back(shards.open(sample.shard).ids(split)[static_cast<std::size_t>(sample.row)]);
  }
  return ids;
}

std::string sample_rows(const std::vector<Score>& scores, const Federation& federation,
                        const MeasureOptions& measures, const SampleNames& names) {
  std::vector<std::string> columns{"site", "split", "id"};
  for (std::string& column : sample_columns(measures, federation.class_names)) {
    columns.push_back(std::move(column));
  }
  std::string text = csv_line(columns);
  for (const Score& score : scores) {
    if (score.samples.samples() == 0) continue;
    const Member& member = federation.measured_at(score.client);
    const std::vector<std::string> ids = names(member, score.split);
    HARMOFL_EXPECT(std::ssize(ids) == score.samples.samples());
    for (std::int64_t i = 0; i < score.samples.samples(); ++i) {
      std::vector<std::string> fields{member.site, std::string(to_string(score.split)),
                                      ids[static_cast<std::size_t>(i)]};
      for (std::string& field : sample_fields(score.samples, i, measures, federation.class_names)) {
        fields.push_back(std::move(field));
      }
      text += csv_line(fields);
    }
  }
  return text;
}

}  // namespace harmofl
