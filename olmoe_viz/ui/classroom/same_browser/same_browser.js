// Over TLS the cookie goes nowhere else; a classroom's laptop often has none.
const show = ({ data }) => {
  const tls = window.location.protocol === "https:" ? "; Secure" : ""
  document.cookie = data.cookie + tls
}

export default (call) => mount(call, show)
