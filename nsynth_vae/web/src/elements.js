/** Elements of the page. */

/**
 * Return an element by its id; a page without it is another's.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 */
export const element = (id) => /** @type {T} */ (document.getElementById(id));
