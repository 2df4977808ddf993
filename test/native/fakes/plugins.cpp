// The exported function of a fake plugin library.
#include "objects.h"

ILogger* fake::logger = nullptr;
extern "C" void fake_register_plugin(char const* name);

extern "C" __attribute__((visibility("default"))) bool initLibNvInferPlugins(void* logger, char const* space) {
  fake::record(std::string("initLibNvInferPlugins(") + space + ")");
  fake::logger = static_cast<ILogger*>(logger);
  if (fake::script("plugins") == "false") {
    fake::log(fake::ERROR, "Could not register plugin creator - ::EfficientNMS_TRT version 1");
    return false;
  }
  fake_register_plugin("EfficientNMS_TRT");
  return true;
}
