export default (call) => mount(call, show, close)
