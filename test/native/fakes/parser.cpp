// The exported functions of a fake ONNX parser.
#include <csignal>
#include <fstream>

#include "build.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

ILogger* fake::logger = nullptr;
extern "C" bool fake_has_plugin(char const* name);

namespace {

struct Complaint {
  int32_t code;
  int node;
  char const* desc;
  char const* name;
  char const* op;
};

class ParserError final : public IParserError {
 public:
  explicit ParserError(Complaint const& complaint) : complaint_(complaint) {}
  int32_t code() const noexcept { return complaint_.code; }
  char const* desc() const noexcept { return complaint_.desc; }
  char const* file() const noexcept { return "ModelImporter.cpp"; }
  int line() const noexcept { return 771; }
  char const* func() const noexcept { return "importModel"; }
  int node() const noexcept { return complaint_.node; }
  char const* nodeName() const noexcept { return complaint_.name; }
  char const* nodeOperator() const noexcept { return complaint_.op; }

 private:
  Complaint const complaint_;
};

class Parser final : public IParser {
 public:
  explicit Parser(fake::Network& network) : network_(network) {}
  ~Parser() noexcept override { fake::record("delete Parser"); }
  bool parse(void const* data, size_t size, char const* path) noexcept {
    fake::record("Parser.parse(" + std::to_string(size) + ", " + (path != nullptr ? path : "null") + ")");
    std::string const model(static_cast<char const*>(data), size);
    std::string const wish = fake::script("parse");
    if (wish == "silent") return false;
    if (wish == "invalid") return refuse({3, -1, "Failed to parse the ONNX model.", "", ""});
    if (wish == "error") {
      refuse({8, 23, "Assertion failed: convertDtype(onnxType, &dtype)", "/model.22/Slice", "Slice"});
      return refuse({2, 24, "A second complaint", "/model.22/Concat", "Concat"});
    }
    if (model.find("EfficientNMS_TRT") != std::string::npos && !fake_has_plugin("EfficientNMS_TRT")) {
      fake::log(fake::INFO, "No importer registered for op: EfficientNMS_TRT. Attempting to import as plugin.");
      return refuse({8, 5, "Plugin not found, are the plugin name, version, and namespace correct?", "nms",
                     "EfficientNMS_TRT"});
    }
    if (model.compare(0, 6, "model\n") == 0) return readLines(model);
    char const* const instead = getenv("TRTD_FAKE_MODEL");
    if (instead == nullptr || *instead == 0) return detector();
    std::ifstream file(instead);
    return readLines(std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>()));
  }
  int getNbErrors() noexcept { return static_cast<int>(errors_.size()); }
  IParserError const* getError(int index) noexcept { return errors_[static_cast<size_t>(index)].get(); }

 private:
  bool refuse(Complaint const& complaint) {
    errors_.push_back(std::make_unique<ParserError>(complaint));
    fake::log(fake::ERROR, std::string("ModelImporter.cpp:771: While parsing node number ") +
                               std::to_string(complaint.node) + " [" + complaint.op + " -> \"output\"]:\n--- Begin node ---\n" +
                               "name: \"" + complaint.name + "\"\n--- End node ---\nERROR: " + complaint.desc);
    return false;
  }
  void add(int32_t mode, std::string const& name, int32_t type, std::string const& shape) {
    network_.tensors.push_back(std::make_unique<fake::Tensor>(fake::TensorSpec{mode, name, type, fake::dimsFrom(shape)}));
  }
  bool detector() {
    add(1, "images", 0, "1x3x640x1152");
    add(2, "output0", 0, "1x84x15120");
    network_.layers = 200;
    return true;
  }
  bool readLines(std::string const& model) {
    std::istringstream lines(model);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string kind, name, shape;
      int32_t type = 0;
      words >> kind;
      if (kind == "layers") words >> network_.layers;
      if (kind != "input" && kind != "output") continue;
      words >> name >> type >> shape;
      add(kind == "input" ? 1 : 2, name, type, shape);
    }
    return true;
  }

  fake::Network& network_;
  std::vector<std::unique_ptr<ParserError>> errors_;
};

}  // namespace

EXPORT int getNvOnnxParserVersion() { return FAKE_RTX && FAKE_MINOR >= 6 ? 200 : 100; }

EXPORT void* createNvOnnxParser_INTERNAL(void* network, void* logger, int version) {
  fake::record("createNvOnnxParser_INTERNAL(" + std::to_string(version) + ")");
  fake::logger = static_cast<ILogger*>(logger);
  if (fake::script("parser") == "null") return nullptr;
  return static_cast<IParser*>(new Parser(static_cast<fake::Network&>(*static_cast<INetworkDefinition*>(network))));
}
