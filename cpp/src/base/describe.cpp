#include "tensorrt/abi.h"
#include "errors.h"

using namespace trtd;

static_assert(sizeof(trtd_error) == 2048 && sizeof(trtd_dims) == 72 && sizeof(trtd_tensor_info) == 1024 &&
                  sizeof(trtd_parser_error) == 3216 && sizeof(trtd_cuda_info) == 128 &&
                  sizeof(trtd_device_info) == 352 && sizeof(trtd_library_info) == 64 &&
                  sizeof(trtd_builder_info) == 32 && sizeof(trtd_network_info) == 32 &&
                  sizeof(trtd_engine_info) == 320 && sizeof(trtd_event) == 48,
              "the sizes that trtd.h promises");

namespace {

const char* architecture() {
#if defined(__x86_64__)
  return "x86_64";
#elif defined(__aarch64__)
  return "aarch64";
#else
#error "libtrtd knows the calling conventions of x86_64 and aarch64 only"
#endif
}

}  // namespace

extern "C" {

uint32_t trtd_abi_version(void) { return TRTD_ABI_VERSION; }

int32_t trtd_describe(char* text, uint64_t capacity, uint64_t* length, trtd_error* error) {
  return guard(error, [&] {
#if defined(__clang__)
    const std::string compiler = "clang " __clang_version__;
#else
    const std::string compiler = "gcc " __VERSION__;
#endif
    std::string json = "{\"abi\":" + std::to_string(TRTD_ABI_VERSION) + ",\"compiler\":\"" +
                       compiler.substr(0, compiler.find('"')) + "\",\"architecture\":\"" + architecture() +
                       "\",\"families\":[";
    for (int32_t i = TRTD_FAMILY_8_5; i <= TRTD_FAMILY_RTX_1_5; ++i) {
      const Family& row = familyRow(i);
      json += std::string(i > 0 ? "," : "") + "{\"name\":\"" + row.name + "\",\"oldest\":" + std::to_string(row.oldest) +
              ",\"newest\":" + std::to_string(row.newest) + "}";
    }
    giveText(json + "]}", text, capacity, length);
  });
}
}
