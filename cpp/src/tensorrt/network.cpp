#include <cstring>

#include "builder.h"

namespace trtd {
namespace {

std::string textOf(const char* text) { return isNull(text) ? std::string() : std::string(text); }

trtd_parser_error complaintFrom(const Library& library, void* complaint) {
  const auto text = [&](Method method) {
    return library.has(method) ? textOf(library.callDirect<const char*>(complaint, method)) : std::string();
  };
  trtd_parser_error out{};
  out.code = library.callDirect<int32_t>(complaint, ParserError_code);
  out.line = library.callDirect<int32_t>(complaint, ParserError_line);
  out.node = library.callDirect<int32_t>(complaint, ParserError_node);
  copyText(out.description, sizeof out.description, text(ParserError_desc));
  copyText(out.file, sizeof out.file, text(ParserError_file));
  copyText(out.function, sizeof out.function, text(ParserError_func));
  copyText(out.node_name, sizeof out.node_name, text(ParserError_nodeName));
  copyText(out.node_operator, sizeof out.node_operator, text(ParserError_nodeOperator));
  return out;
}

void readComplaints(const Library& library, Network& network) {
  constexpr int LIMIT = 1000;
  const int count = library.callDirect<int>(network.parser, Parser_getNbErrors);
  for (int i = 0; i < count && i < LIMIT; ++i) {
    void* const complaint = library.callDirect<void*>(network.parser, Parser_getError, i);
    if (!isNull(complaint)) network.complaints.push_back(complaintFrom(library, complaint));
  }
}

std::string sentenceFrom(const trtd_parser_error& complaint) {
  std::string text = "The parser refused ";
  if (complaint.node < 0) {
    text += "the model";
  } else {
    text += "node " + std::to_string(complaint.node);
    if (complaint.node_name[0] != 0) text += std::string(" \"") + complaint.node_name + "\"";
    if (complaint.node_operator[0] != 0) text += std::string(" (") + complaint.node_operator + ")";
  }
  return text + ": " + complaint.description;
}

void fillTensor(const Library& library, void* tensor, int32_t mode, trtd_tensor_info& info) {
  const char* const name = library.call<const char*>(tensor, Tensor_getName);
  trtd_tensor_info facts{};
  facts.mode = mode;
  facts.type = library.call<int32_t>(tensor, Tensor_getType);
  facts.format = -1;
  facts.location = -1;
  facts.is_shape = library.call<bool>(tensor, Tensor_isShapeTensor) ? 1 : 0;
  facts.dims = library.callDims(tensor, Tensor_getDimensions);
  facts.name_length = static_cast<uint32_t>(textOf(name).size());
  const bool whole = copyText(facts.name, sizeof facts.name, textOf(name));
  info = facts;
  if (!whole) fail(TRTD_BUFFER_TOO_SMALL, "The name of the tensor has " + std::to_string(facts.name_length) + " bytes");
}

}  // namespace

Network::~Network() {
  makeCurrentQuietly(builder->device);
  native.reset();
  if (parser != nullptr) {
    callSlot<void>(parser, slotOf(builder->library->identity.family, builder->library->identity.version, Parser_delete));
  }
}

}  // namespace trtd

using namespace trtd;

extern "C" {

int32_t trtd_network_create(uint64_t builder, int32_t strongly_typed, uint64_t* network, trtd_error* error) {
  return guard(error, [&] {
    requireOut(network, "\"network\" must not be NULL");
    const Locked<Builder> target(builder);
    const Library& library = *target->library;
    const Family& row = library.row();
    uint32_t flags = row.explicitBatchBit >= 0 ? 1u << row.explicitBatchBit : 0u;
    if (strongly_typed != 0 && !row.alwaysStronglyTyped) {
      if (row.stronglyTypedBit < 0 || library.identity.version < 90100) {
        fail(TRTD_UNSUPPORTED, library.name() + " has no strongly typed networks");
      }
      flags |= 1u << row.stronglyTypedBit;
    }
    const Burst burst(*library.log);
    void* const made =
        checkedResult(library.call<void*>(target->native.get(), Builder_createNetworkV2, flags), burst,
                      TRTD_NULL_RESULT, "createNetworkV2");
    *network = publish(std::make_shared<Network>(target.share(), made));
  });
}

int32_t trtd_network_parse(uint64_t network, const void* onnx, uint64_t bytes, const char* model_path,
                           trtd_error* error) {
  return guard(error, [&] {
    require(onnx != nullptr && bytes > 0, "The model has no bytes");
    const Locked<Network> target(network);
    const Library& library = *target->builder->library;
    if (library.createParser == nullptr) fail(TRTD_UNSUPPORTED, "The parser of " + library.name() + " is not open");
    require(target->parser == nullptr, "This network was filled before");
    makeCurrent(target->builder->device);
    const Burst burst(*library.log);
    void* const parser = library.createParser(target->native.get(), library.logger, library.parserVersion);
    if (isNull(parser)) burst.fail(TRTD_NULL_RESULT, "createNvOnnxParser returned null");
    target->parser = parser;
    if (library.callDirect<bool>(parser, Parser_parse, onnx, static_cast<size_t>(bytes), model_path)) {
      // Some texts pass as an empty protobuf message.
      if (library.call<int32_t>(target->native.get(), NetworkDefinition_getNbOutputs) > 0) return;
      fail(TRTD_PARSE_FAILED, "The parser found no output in the model", TRTD_ORIGIN_PARSER);
    }
    readComplaints(library, *target);
    if (target->complaints.empty()) burst.fail(TRTD_PARSE_FAILED, "The parser refused the model");
    const trtd_parser_error& first = target->complaints.front();
    fail(TRTD_PARSE_FAILED, sentenceFrom(first), TRTD_ORIGIN_PARSER, first.code);
  });
}

int32_t trtd_network_error(uint64_t network, int32_t index, trtd_parser_error* complaint, trtd_error* error) {
  return guard(error, [&] {
    require(complaint != nullptr, "\"complaint\" must not be NULL");
    const Locked<Network> target(network);
    require(index >= 0 && static_cast<size_t>(index) < target->complaints.size(), "There is no complaint of that index");
    *complaint = target->complaints[static_cast<size_t>(index)];
  });
}

int32_t trtd_network_facts(uint64_t network, trtd_network_info* info, trtd_error* error) {
  return guard(error, [&] {
    require(info != nullptr, "\"info\" must not be NULL");
    const Locked<Network> target(network);
    const Library& library = *target->builder->library;
    trtd_network_info facts{};
    facts.layers = library.call<int32_t>(target->native.get(), NetworkDefinition_getNbLayers);
    facts.inputs = library.call<int32_t>(target->native.get(), NetworkDefinition_getNbInputs);
    facts.outputs = library.call<int32_t>(target->native.get(), NetworkDefinition_getNbOutputs);
    facts.errors = static_cast<int32_t>(target->complaints.size());
    *info = facts;
  });
}

int32_t trtd_network_tensor(uint64_t network, int32_t mode, int32_t index, trtd_tensor_info* info, trtd_error* error) {
  return guard(error, [&] {
    require(info != nullptr, "\"info\" must not be NULL");
    require(mode == TRTD_MODE_INPUT || mode == TRTD_MODE_OUTPUT, "\"mode\" must be 1 (input) or 2 (output)");
    const Locked<Network> target(network);
    const Library& library = *target->builder->library;
    const bool input = mode == TRTD_MODE_INPUT;
    void* const native = target->native.get();
    const int32_t count =
        library.call<int32_t>(native, input ? NetworkDefinition_getNbInputs : NetworkDefinition_getNbOutputs);
    require(index >= 0 && index < count, "The network has no tensor of that index");
    void* const tensor =
        library.call<void*>(native, input ? NetworkDefinition_getInput : NetworkDefinition_getOutput, index);
    if (isNull(tensor)) fail(TRTD_NULL_RESULT, "The network returned no tensor", TRTD_ORIGIN_TENSORRT);
    fillTensor(library, tensor, mode, *info);
  });
}
}
