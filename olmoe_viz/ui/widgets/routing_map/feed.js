// Hands a map's data to the map of the same channel. It is a component of its own, because then a
// changed selection does not send the data again.
const hub = (window[Symbol.for("olmoe-viz.routing-map")] ??= { data: new Map(), maps: new Map() });

function send({ data }) {
  hub.data.set(data.channel, data);
  hub.maps.get(data.channel)?.(data);
}

function withdraw({ data }) {
  if (hub.data.get(data.channel) === data) hub.data.delete(data.channel);
}

export default (call) => mount(call, send, withdraw);
