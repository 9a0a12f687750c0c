export default (call) => mount(call, show, ({ parentElement }) => maps.get(parentElement).close());
