// Stream, Event and CapturedWork over the CUDA runtime. What the contract forbids during capture is
// refused before CUDA sees it, because CUDA would break the capture off; so the host backend and
// this one agree.
#include "core/device/stream.h"

#include <cxxabi.h>

#include <cstdlib>
#include <thread>
#include <utility>

#include "core/base/error.h"
#include "core/device/counters.h"
#include "core/device/cuda/status.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct Stream::State {
  cudaStream_t stream = nullptr;
  bool capturing = false;
  std::thread::id capturing_thread;

  State() {
    bind_thread_to_device();
    // Non-blocking: neither waits for the default stream nor makes it wait.
    check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
               "cudaStreamCreateWithFlags");
  }
  ~State() {
    abandon();
    if (cudaStreamDestroy(stream) != cudaSuccess) clear_cuda_error();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void abandon() noexcept {
    if (!capturing) return;
    leave();
    cudaGraph_t graph = nullptr;
    if (cudaStreamEndCapture(stream, &graph) != cudaSuccess) clear_cuda_error();
    if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
  }

  void leave() {
    capturing = false;
    note_capture(-1);
  }
};

struct Event::State {
  cudaEvent_t event = nullptr;
  bool recorded = false;

  State() {
    bind_thread_to_device();
    check_cuda(cudaEventCreate(&event), "cudaEventCreate");
  }
  ~State() {
    if (cudaEventDestroy(event) != cudaSuccess) clear_cuda_error();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

struct CapturedWork::State {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  std::vector<std::string> names;
  std::uint64_t launches = 0;
  std::uint64_t copies = 0;

  State() = default;
  ~State() {
    // A replay under way is finished first, by the runtime.
    if (executable != nullptr) static_cast<void>(cudaGraphExecDestroy(executable));
    if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void list(cudaGraph_t nodes_of);
  void list_node(cudaGraphNode_t node);
};

namespace {

/// "void adjoint::cuda::(anonymous namespace)::scale<float>(float*, int)", mangled ->
/// "scale<float>".
std::string kernel_name_of(const char* mangled) {
  int status = 0;
  char* const demangled = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
  std::string name = demangled != nullptr ? demangled : mangled;
  std::free(demangled);
  const std::string_view anonymous = "(anonymous namespace)::";
  for (std::size_t at; (at = name.find(anonymous)) != std::string::npos;) {
    name.erase(at, anonymous.size());
  }
  // The first parenthesis outside of angle brackets opens the parameters; the name starts behind
  // the last space or colon before it, likewise.
  std::size_t begin = 0, end = 0;
  for (int depth = 0; end < name.size() && (depth > 0 || name[end] != '('); ++end) {
    depth += (name[end] == '<') - (name[end] == '>');
    if (depth == 0 && (name[end] == ' ' || name[end] == ':')) begin = end + 1;
  }
  return name.substr(begin, end - begin);
}

std::string name_of_kernel_node(cudaGraphNode_t node) {
  // Kernels of libraries may belong to the driver interface only, where the runtime has no names.
  cudaKernelNodeParams parameters{};
  const char* name = nullptr;
  if (cudaGraphKernelNodeGetParams(node, &parameters) == cudaSuccess &&
      cudaFuncGetName(&name, parameters.func) == cudaSuccess && name != nullptr) {
    return kernel_name_of(name);
  }
  clear_cuda_error();
  return "library kernel";
}

/// The nodes of a graph that was captured from one stream, which is a chain, in order.
std::vector<cudaGraphNode_t> chain_of(cudaGraph_t graph) {
  std::size_t roots = 0;
  check_cuda(cudaGraphGetRootNodes(graph, nullptr, &roots), "cudaGraphGetRootNodes");
  std::vector<cudaGraphNode_t> chain;
  if (roots == 0) return chain;
  std::vector<cudaGraphNode_t> next(roots);
  check_cuda(cudaGraphGetRootNodes(graph, next.data(), &roots), "cudaGraphGetRootNodes");
  while (!next.empty()) {
    const cudaGraphNode_t node = next.front();
    chain.push_back(node);
    std::size_t count = 0;
    check_cuda(cudaGraphNodeGetDependentNodes(node, nullptr, nullptr, &count),
               "cudaGraphNodeGetDependentNodes");
    next.assign(count, nullptr);
    if (count == 0) break;
    // Programmatic launches annotate their edges, which must be asked for with them.
    std::vector<cudaGraphEdgeData> edges(count);
    check_cuda(cudaGraphNodeGetDependentNodes(node, next.data(), edges.data(), &count),
               "cudaGraphNodeGetDependentNodes");
  }
  return chain;
}

}  // namespace

void CapturedWork::State::list(cudaGraph_t nodes_of) {
  for (const cudaGraphNode_t node : chain_of(nodes_of)) list_node(node);
}

void CapturedWork::State::list_node(cudaGraphNode_t node) {
  cudaGraphNodeType type{};
  check_cuda(cudaGraphNodeGetType(node, &type), "cudaGraphNodeGetType");
  switch (type) {
    case cudaGraphNodeTypeKernel:
      names.push_back(name_of_kernel_node(node));
      ++launches;
      break;
    case cudaGraphNodeTypeMemcpy:
      names.push_back("copy");  // in either direction: the host backend says which
      ++copies;
      break;
    case cudaGraphNodeTypeMemset:
      names.push_back("fill_bytes");
      ++copies;
      break;
    case cudaGraphNodeTypeGraph: {
      cudaGraph_t child = nullptr;
      check_cuda(cudaGraphChildGraphNodeGetGraph(node, &child), "cudaGraphChildGraphNodeGetGraph");
      list(child);
      break;
    }
    default:
      break;  // empty and event nodes do nothing
  }
}

Stream::Stream() : state_(std::make_unique<State>()) {}
Stream::~Stream() = default;
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;

void Stream::synchronize() {
  refuse_during_capture("Stream: cannot synchronize");
  count(atomic_counters.synchronizations);
  check_cuda(cudaStreamSynchronize(state_->stream), "cudaStreamSynchronize");
}

void Stream::wait(const Event& event) {
  if (!event.state_->recorded) return;
  check_wait(state_->capturing);
  check_cuda(cudaStreamWaitEvent(state_->stream, event.state_->event, 0), "cudaStreamWaitEvent");
}

void Stream::begin_capture() {
  check_begin_capture(state_->capturing);
  bind_thread_to_device();
  check_cuda(cudaStreamBeginCapture(state_->stream, cudaStreamCaptureModeThreadLocal),
             "cudaStreamBeginCapture");
  state_->capturing = true;
  state_->capturing_thread = std::this_thread::get_id();
  note_capture(+1);
}

CapturedWork Stream::end_capture() {
  check_end_capture(state_->capturing, state_->capturing_thread == std::this_thread::get_id());
  CapturedWork work;
  work.state_ = std::make_unique<CapturedWork::State>();
  CapturedWork::State& recorded = *work.state_;
  state_->leave();
  check_cuda(cudaStreamEndCapture(state_->stream, &recorded.graph), "cudaStreamEndCapture");
  recorded.list(recorded.graph);
  check_cuda(cudaGraphInstantiate(&recorded.executable, recorded.graph, 0), "cudaGraphInstantiate");
  return work;
}

void Stream::abandon_capture() noexcept { state_->abandon(); }

bool Stream::capturing() const { return state_->capturing; }

void* Stream::native() const {
  bind_thread_to_device();
  return state_->stream;
}

Event::Event() : state_(std::make_unique<State>()) {}
Event::~Event() = default;
Event::Event(Event&&) noexcept = default;
Event& Event::operator=(Event&&) noexcept = default;

void Event::record(Stream& stream) {
  check_record(stream.capturing());
  check_cuda(cudaEventRecord(state_->event, static_cast<cudaStream_t>(stream.native())),
             "cudaEventRecord");
  state_->recorded = true;
}

bool Event::passed() const {
  refuse_during_capture("Event: cannot ask whether it has been passed");
  if (!state_->recorded) return true;
  const cudaError_t status = cudaEventQuery(state_->event);
  if (status == cudaErrorNotReady) {
    clear_cuda_error();
    return false;
  }
  check_cuda(status, "cudaEventQuery");
  return true;
}

void Event::synchronize() const {
  refuse_during_capture("Event: cannot synchronize");
  count(atomic_counters.synchronizations);
  if (!state_->recorded) return;
  check_cuda(cudaEventSynchronize(state_->event), "cudaEventSynchronize");
}

void* Event::native() const { return state_->event; }

float elapsed_milliseconds(const Event& begin, const Event& end) {
  refuse_during_capture("elapsed_milliseconds: cannot time");
  float milliseconds = 0;
  const cudaError_t status =
      cudaEventElapsedTime(&milliseconds, static_cast<cudaEvent_t>(begin.native()),
                           static_cast<cudaEvent_t>(end.native()));
  check_elapsed(status != cudaErrorInvalidResourceHandle, status != cudaErrorNotReady);
  check_cuda(status, "cudaEventElapsedTime");
  return milliseconds;
}

CapturedWork::CapturedWork() = default;
CapturedWork::~CapturedWork() = default;
CapturedWork::CapturedWork(CapturedWork&&) noexcept = default;
CapturedWork& CapturedWork::operator=(CapturedWork&&) noexcept = default;

void CapturedWork::replay(Stream& stream) const {
  check_replay(state_ != nullptr);
  check_cuda(cudaGraphLaunch(state_->executable, static_cast<cudaStream_t>(stream.native())),
             "cudaGraphLaunch");
  if (stream.capturing()) return;
  count(atomic_counters.launches, state_->launches);
  count(atomic_counters.copies, state_->copies);
}

const std::vector<std::string>& CapturedWork::operations() const {
  static const std::vector<std::string> none;
  return state_ ? state_->names : none;
}

namespace {

void put_copy(Stream& stream, void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  if (bytes == 0) return;
  check_cuda(cudaMemcpyAsync(to, from, bytes, kind, static_cast<cudaStream_t>(stream.native())),
             "cudaMemcpyAsync");
  if (!stream.capturing()) count(atomic_counters.copies);
}

}  // namespace

void copy_to_device(Stream& stream, void* to, const void* from_host, std::size_t bytes) {
  put_copy(stream, to, from_host, bytes, cudaMemcpyHostToDevice);
}

void copy_to_host(Stream& stream, void* to_host, const void* from, std::size_t bytes) {
  put_copy(stream, to_host, from, bytes, cudaMemcpyDeviceToHost);
}

void copy_on_device(Stream& stream, void* to, const void* from, std::size_t bytes) {
  put_copy(stream, to, from, bytes, cudaMemcpyDeviceToDevice);
}

void fill_bytes(Stream& stream, void* to, std::uint8_t value, std::size_t bytes) {
  if (bytes == 0) return;
  check_cuda(cudaMemsetAsync(to, value, bytes, static_cast<cudaStream_t>(stream.native())),
             "cudaMemsetAsync");
  if (!stream.capturing()) count(atomic_counters.copies);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
