#include "harmofl/fl/fedavg.hpp"

namespace harmofl {

void FedAvg::server_step(Model& global, const torch::Tensor& average) {
  global.install(average);  // w_{t+1} = sum p_i w_i
}

}  // namespace harmofl
