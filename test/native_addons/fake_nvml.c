/* Two GPUs as NVML shows them; the second tells its name and its memory alone, with FAKE_NVML_POOR the first too. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3 };

static int gpus[2];

static int is_second(void *device) { return device == &gpus[1]; }

static int is_poor(void *device) { return is_second(device) || getenv("FAKE_NVML_POOR") != NULL; }

int nvmlInit_v2(void) { return SUCCESS; }

int nvmlShutdown(void) { return SUCCESS; }

int nvmlDeviceGetCount_v2(uint32_t *count) {
  *count = 2;
  return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(uint32_t index, void **device) {
  if (index > 1) return INVALID_ARGUMENT;
  *device = &gpus[index];
  return SUCCESS;
}

int nvmlDeviceGetName(void *device, char *name, uint32_t length) {
  snprintf(name, length, "Fake GPU %c", is_second(device) ? 'B' : 'A');
  return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *device, uint32_t *rates) {
  static uint32_t percent = 40;
  if (is_poor(device)) return NOT_SUPPORTED;
  rates[0] = percent++;
  rates[1] = 99;
  return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(void *device, uint64_t *memory) {
  memory[0] = is_second(device) ? 4000000000u : 85899345920u;
  memory[2] = is_second(device) ? 1000000000u : 12884901888u;
  memory[1] = memory[0] - memory[2];
  return SUCCESS;
}

int nvmlDeviceGetTemperature(void *device, int sensor, uint32_t *degrees) {
  if (is_poor(device) || sensor != 0) return NOT_SUPPORTED;
  *degrees = 55;
  return SUCCESS;
}

int nvmlDeviceGetPowerUsage(void *device, uint32_t *milliwatts) {
  if (is_poor(device)) return NOT_SUPPORTED;
  *milliwatts = 312500;
  return SUCCESS;
}
