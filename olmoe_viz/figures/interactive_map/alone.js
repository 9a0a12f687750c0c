// A map with no page around it: its data stand beside it, and a pick is seen in the map alone.
const alone = JSON.parse(document.getElementById("map-data").textContent);
hub.data.set(alone.config.channel, alone.data);
show({ parentElement: document.body, data: alone.config, setTriggerValue() {} });
