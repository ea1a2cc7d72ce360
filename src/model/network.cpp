#include "harmofl/model/network.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/rng.hpp"
#include "harmofl/model/cnn.hpp"
#include "harmofl/model/unet.hpp"

#include <torch/utils.h>

#include <array>

namespace harmofl {
namespace {

using Maker = std::shared_ptr<Network> (*)(const NetworkOptions&, const ProblemShape&);

template <class Kind>
std::shared_ptr<Network> make(const NetworkOptions& options, const ProblemShape& shape) {
  return std::make_shared<Kind>(options, shape);
}

struct Entry {
  const char* name;
  Maker make;
};
constexpr std::array<Entry, 2> networks{{{"cnn", make<Cnn>}, {"unet", make<UNet>}}};

}  // namespace

std::shared_ptr<Network> make_network(const NetworkOptions& options, const ProblemShape& shape,
                                      std::uint64_t seed) {
  HARMOFL_VALIDATE(options.width > 0, "model.width = ", options.width,
                   " is no number of channels. Give 1 or more.");
  for (const Entry& entry : networks) {
    if (options.name != entry.name) continue;
    torch::manual_seed(mix64(seed ^ static_cast<std::uint64_t>(RngPurpose::initial_model)));
    return entry.make(options, shape);
  }
  throw UsageError(
      concat("model.name = ", options.name, " is unknown. Known: ", join(network_names()), "."));
}

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const Entry& entry : networks) names.emplace_back(entry.name);
  return names;
}

}  // namespace harmofl
