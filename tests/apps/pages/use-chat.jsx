// The guide's chat, in a page.
import { createRoot } from "react-dom/client";
import { Chat } from "guide";

createRoot(document.getElementById("root")).render(<Chat />);
