/** What an app's register module looks like: it joins the face and the designs. */
import { ext4 } from "@xiplab/ext4";
import { plain } from "@xiplab/plain";
import { registerImages } from "../index.ts";

registerImages({ personalities: [ext4, plain] });
