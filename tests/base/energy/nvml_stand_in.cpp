// SPDX-License-Identifier: Apache-2.0
// A library with the functions of NVML that are called, and a GPU whose counter the test sets.
#include <cstring>

extern "C" {

unsigned long long stand_in_millijoules = 0;
int stand_in_status = 0;   // of reading the counter
int stand_in_started = 0;  // nvmlInit_v2 less nvmlShutdown

int nvmlInit_v2() {
  ++stand_in_started;
  return 0;
}

int nvmlShutdown() {
  --stand_in_started;
  return 0;
}

const char* nvmlErrorString(int status) { return status == 3 ? "Not Supported" : "Not Found"; }

int nvmlDeviceGetHandleByUUID(const char* uuid, void** device) {
  if (std::strcmp(uuid, "GPU-00112233-4455-6677-8899-aabbccddeeff") != 0) return 6;
  *device = &stand_in_millijoules;
  return 0;
}

int nvmlDeviceGetTotalEnergyConsumption(void* device, unsigned long long* millijoules) {
  *millijoules = *static_cast<unsigned long long*>(device);
  return stand_in_status;
}
}
